/* Winograd's minimal filtering, F(m x m, 3 x 3), m = FK_M 2 or 4 (Lavin and Gray 2016, sections 4.1 to 4.3):
 *
 *   Y = A^T [ sum_c (G g_c G^T) . (B^T d_c B) ] A      d: side x side inputs, side = m + 2, g: 3 x 3, Y: m x m
 *
 * at the points 0, 1, -1 (m = 2) and 0, 1, -1, 2, -2 (m = 4), and infinity: an output takes 4 or 2.25 multiplications a
 * channel instead of 9. Four kernels, each for all tiles of all images:
 *
 *   winograd_weights   w -> G g G^T [point][block of filters][ic][filter], once
 *   winograd_inputs    the image with its zeros (conv2d_take) -> B^T d B [ic][point][tiles]
 *   winograd_product   (conv2d_product.cl) the sums over c: side^2 matrix products -> [oc][point][tiles]
 *   winograd_outputs   A^T m A, bias, residual, activation -> y
 *
 * Points stand inside channels, so that the stores of a tile's side^2 values are near to each other: with the points outside
 * they would lie a power of two apart for most networks, all in one set of a cache.
 *
 * Error: |y - exact| <= u (ic + 25) A^T [ sum_c (|G| |g| |G|^T) . (|B|^T |d| |B|) ] A in magnitudes (tests/winograd.py counts
 * the roundings; the processor's rows round a weight once, here the transform of a line rounds four times). Values that are
 * not finite spread over their tile.
 *
 * Build option: FK_M. On a CPU runs of tiles go through all of it at once (conv2d_winograd_run.cl).
 */
#include "fk_winograd.h"

/* A row of a tile's outputs. */
typedef FK_JOIN(float, FK_M) fk_row;
#define FK_LOAD_ROW(pointer) FK_JOIN(vload, FK_M)(0, pointer)
#define FK_STORE_ROW(value, pointer) FK_JOIN(vstore, FK_M)(value, 0, pointer)
FK_DEFINE_ACTIVATE(fk_activate_row, fk_row)

static inline fk_row in_order(const float y[FK_M]) {
#if FK_M == 2
    return (fk_row)(y[0], y[1]);
#else
    return (fk_row)(y[0], y[1], y[2], y[3]);
#endif
}

/* A row of a tile, which begins at `column` of a row that is ow long. */
static inline void give_row(const fk_conv2d_shape s, fk_row sum, const int column, __global const float* residual,
                            __global float* y) {
    if (column + FK_M <= s.ow) {
        if (residual != 0) {
            sum += FK_LOAD_ROW(residual + column);
        }
        FK_STORE_ROW(fk_activate_row(sum, s.activation, s.alpha), y + column);
        return;
    }
    float value[FK_M];
    FK_STORE_ROW(sum, value);
    for (int j = 0; column + j < s.ow; ++j) {
        y[column + j] = fk_activate(residual != 0 ? value[j] + residual[column + j] : value[j], s.activation, s.alpha);
    }
}

/* taken [n, ic, th, tw] (conv2d_take) -> inputs [ic][point][pitch], tile after tile, row after row, image after image. Work
 * items of dimension 0 share a row of tiles: one on a CPU, neighbours on a GPU. */
__kernel void
winograd_inputs(const fk_conv2d_shape s, const int th, const int tw, const int pitch, __global const float* restrict taken,
                __global float* restrict inputs) {
    const int tiles_x = FK_CEIL_DIV(s.ow, FK_M);
    const int tiles_y = FK_CEIL_DIV(s.oh, FK_M);
    const int line = (int)get_global_id(1); /* row of tiles, through all images */
    const int c = (int)get_global_id(2);
    if (line >= s.n * tiles_y || c >= s.ic) {
        return;
    }
    taken += (((size_t)(line / tiles_y) * s.ic + c) * th + (size_t)(line % tiles_y) * FK_M) * tw;
    inputs += (size_t)c * FK_POINTS * pitch + (size_t)line * tiles_x;
    for (int tile = (int)get_global_id(0); tile < tiles_x; tile += (int)get_global_size(0)) {
        float h[FK_SIDE][FK_SIDE];
#pragma unroll
        for (int r = 0; r < FK_SIDE; ++r) {
            float d[FK_SIDE];
#pragma unroll
            for (int k = 0; k < FK_SIDE; ++k) {
                d[k] = taken[(size_t)r * tw + tile * FK_M + k];
            }
            input_line(d, h[r]);
        }
#pragma unroll
        for (int q = 0; q < FK_SIDE; ++q) {
            float d[FK_SIDE];
            float v[FK_SIDE];
#pragma unroll
            for (int r = 0; r < FK_SIDE; ++r) {
                d[r] = h[r][q];
            }
            input_line(d, v);
#pragma unroll
            for (int p = 0; p < FK_SIDE; ++p) {
                inputs[(size_t)(p * FK_SIDE + q) * pitch + tile] = v[p];
            }
        }
    }
}

/* products [oc][point][pitch] -> y [n, oc, oh, ow]. Work items of dimension 0 share a row of tiles. */
__kernel void
winograd_outputs(const fk_conv2d_shape s, const int pitch, __global const float* restrict products,
                 __global const float* restrict bias, __global const float* residual, __global float* y) {
    const int tiles_x = FK_CEIL_DIV(s.ow, FK_M);
    const int tiles_y = FK_CEIL_DIV(s.oh, FK_M);
    const int line = (int)get_global_id(1);
    const int o = (int)get_global_id(2);
    if (line >= s.n * tiles_y || o >= s.oc) {
        return;
    }
    const int first = line % tiles_y * FK_M; /* row of the output */
    const size_t to = (((size_t)(line / tiles_y) * s.oc + o) * s.oh + first) * s.ow;
    const int rows = min(FK_M, s.oh - first);
    const float b = bias != 0 ? bias[o] : 0.0f;
    products += (size_t)o * FK_POINTS * pitch + (size_t)line * tiles_x;
    for (int tile = (int)get_global_id(0); tile < tiles_x; tile += (int)get_global_size(0)) {
        float h[FK_M][FK_SIDE];
#pragma unroll
        for (int q = 0; q < FK_SIDE; ++q) {
            float m[FK_SIDE];
            float sum[FK_M];
#pragma unroll
            for (int p = 0; p < FK_SIDE; ++p) {
                m[p] = products[(size_t)(p * FK_SIDE + q) * pitch + tile];
            }
            output_line(m, sum);
#pragma unroll
            for (int i = 0; i < FK_M; ++i) {
                h[i][q] = sum[i];
            }
        }
#pragma unroll
        for (int i = 0; i < FK_M; ++i) {
            float sum[FK_M];
            output_line(h[i], sum);
            if (i < rows) {
                const size_t row = to + (size_t)i * s.ow;
                give_row(s, in_order(sum) + b, tile * FK_M, residual != 0 ? residual + row : residual, y + row);
            }
        }
    }
}
