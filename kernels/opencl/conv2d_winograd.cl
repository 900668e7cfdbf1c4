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
 * Build options: FK_M; FK_TILES 1 or 4: tiles side by side that a work item transforms at once.
 */
#include "fk_common.h"

#ifndef FK_M
#define FK_M 4
#endif
#ifndef FK_TILES
#define FK_TILES 1
#endif
#define FK_SIDE (FK_M + 2)
#define FK_POINTS (FK_SIDE * FK_SIDE)

/* A value of each of FK_TILES tiles. */
#if FK_TILES == 1
typedef float fk_tiles;
#define FK_LOAD_TILES(pointer) (*(pointer))
#define FK_STORE_TILES(value, pointer) (*(pointer) = (value))
#else
typedef FK_JOIN(float, FK_TILES) fk_tiles;
#define FK_LOAD_TILES(pointer) FK_JOIN(vload, FK_TILES)(0, pointer)
#define FK_STORE_TILES(value, pointer) FK_JOIN(vstore, FK_TILES)(value, 0, pointer)
#endif

/* A row of outputs of FK_TILES tiles: FK_TILES FK_M, as a literal, since it becomes a part of names. */
#if FK_TILES == 1 && FK_M == 2
#define FK_ROW 2
#elif FK_TILES * FK_M == 4
#define FK_ROW 4
#elif FK_TILES * FK_M == 8
#define FK_ROW 8
#else
#define FK_ROW 16
#endif
typedef FK_JOIN(float, FK_ROW) fk_row;
#define FK_LOAD_ROW(pointer) FK_JOIN(vload, FK_ROW)(0, pointer)
#define FK_STORE_ROW(value, pointer) FK_JOIN(vstore, FK_ROW)(value, 0, pointer)
FK_DEFINE_ACTIVATE(fk_activate_row, fk_row)

/* One line of each transform; sums of the points at -a and a share their halves. */
#if FK_M == 2
inline void weight_line(const float g[3], float u[FK_SIDE]) {
    const float even = g[0] + g[2];
    u[0] = g[0];
    u[1] = 0.5f * (even + g[1]);
    u[2] = 0.5f * (even - g[1]);
    u[3] = g[2];
}
inline void input_line(const fk_tiles d[FK_SIDE], fk_tiles v[FK_SIDE]) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
}
inline void output_line(const fk_tiles m[FK_SIDE], fk_tiles y[FK_M]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
}
#else
inline void weight_line(const float g[3], float u[FK_SIDE]) {
    const float near = g[0] + g[2];
    const float far = FK_FMA(4.0f, g[2], g[0]);
    u[0] = 0.25f * g[0];
    u[1] = (near + g[1]) * (-1.0f / 6.0f);
    u[2] = (near - g[1]) * (-1.0f / 6.0f);
    u[3] = FK_FMA(2.0f, g[1], far) * (1.0f / 24.0f);
    u[4] = FK_FMA(-2.0f, g[1], far) * (1.0f / 24.0f);
    u[5] = g[2];
}
inline void input_line(const fk_tiles d[FK_SIDE], fk_tiles v[FK_SIDE]) {
    const fk_tiles two = 2.0f;
    const fk_tiles four = 4.0f;
    const fk_tiles five = 5.0f;
    const fk_tiles even = FK_FMA(-four, d[2], d[4]);
    const fk_tiles odd = FK_FMA(-four, d[1], d[3]);
    const fk_tiles near = d[4] - d[2];
    const fk_tiles far = d[3] - d[1];
    v[0] = FK_FMA(four, d[0], FK_FMA(-five, d[2], d[4]));
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = FK_FMA(two, far, near);
    v[4] = FK_FMA(-two, far, near);
    v[5] = FK_FMA(four, d[1], FK_FMA(-five, d[3], d[5]));
}
inline void output_line(const fk_tiles m[FK_SIDE], fk_tiles y[FK_M]) {
    const fk_tiles s1 = m[1] + m[2];
    const fk_tiles d1 = m[1] - m[2];
    const fk_tiles s2 = m[3] + m[4];
    const fk_tiles d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = FK_FMA((fk_tiles)2.0f, d2, d1);
    y[2] = FK_FMA((fk_tiles)4.0f, s2, s1);
    y[3] = FK_FMA((fk_tiles)8.0f, d2, d1) + m[5];
}
#endif

/* Column k of FK_TILES tiles side by side, which begin FK_M pixels apart: d[k], k < FK_SIDE. */
inline void take_columns(__global const float* row, fk_tiles d[FK_SIDE]) {
#if FK_TILES == 1
    for (int k = 0; k < FK_SIDE; ++k) {
        d[k] = row[k];
    }
#elif FK_M == 2
    const float8 a = vload8(0, row);
    const float8 b = vload8(0, row + 2);
    d[0] = a.s0246, d[1] = a.s1357, d[2] = b.s0246, d[3] = b.s1357;
#else
    const float16 a = vload16(0, row);
    const float16 b = vload16(0, row + 2);
    d[0] = a.s048c, d[1] = a.s159d, d[2] = b.s048c, d[3] = b.s159d, d[4] = b.s26ae, d[5] = b.s37bf;
#endif
}

/* The other way: y[k] is column k of each tile. */
inline fk_row in_order(const fk_tiles y[FK_M]) {
#if FK_TILES == 1 && FK_M == 2
    return (fk_row)(y[0], y[1]);
#elif FK_TILES == 1
    return (fk_row)(y[0], y[1], y[2], y[3]);
#elif FK_M == 2
    return (fk_row)(y[0].s0, y[1].s0, y[0].s1, y[1].s1, y[0].s2, y[1].s2, y[0].s3, y[1].s3);
#else
    return (fk_row)(y[0].s0, y[1].s0, y[2].s0, y[3].s0, y[0].s1, y[1].s1, y[2].s1, y[3].s1, /**/
                    y[0].s2, y[1].s2, y[2].s2, y[3].s2, y[0].s3, y[1].s3, y[2].s3, y[3].s3);
#endif
}

/* Outputs `from` to FK_ROW, which begin at `column` of a row that is ow long. */
inline void give_row(const fk_conv2d_shape s, fk_row sum, const int column, const int from, __global const float* residual,
                     __global float* y) {
    /* Outputs before `from` are there: the same values again, unless the residual has been added in their place. */
    if ((from == 0 || residual == 0) && column + FK_ROW <= s.ow) {
        if (residual != 0) {
            sum += FK_LOAD_ROW(residual + column);
        }
        FK_STORE_ROW(fk_activate_row(sum, s.activation, s.alpha), y + column);
        return;
    }
    float value[FK_ROW];
    const int end = min(FK_ROW, s.ow - column);
    if (residual != 0) {
        for (int j = 0; j < FK_ROW; ++j) {
            value[j] = j >= from && j < end ? residual[column + j] : 0.0f;
        }
        sum += FK_LOAD_ROW(value);
    }
    FK_STORE_ROW(fk_activate_row(sum, s.activation, s.alpha), value);
    for (int j = from; j < end; ++j) {
        y[column + j] = value[j];
    }
}

/* w [oc, ic, 3, 3] -> packed [point][block of `tile` filters][ic][tile]; zeros where the last block has no filter. */
__kernel void winograd_weights(const fk_conv2d_shape s, const int tile, __global const float* restrict w,
                               __global float* restrict packed) {
    const int c = (int)get_global_id(0);
    const int o = (int)get_global_id(1);
    const int blocks = FK_CEIL_DIV(s.oc, tile);
    if (c >= s.ic || o >= blocks * tile) {
        return;
    }
    float half_way[FK_SIDE][3];
    for (int q = 0; q < 3; ++q) {
        float g[3];
        float u[FK_SIDE];
        for (int p = 0; p < 3; ++p) {
            g[p] = o < s.oc ? w[((size_t)o * s.ic + c) * 9 + p * 3 + q] : 0.0f;
        }
        weight_line(g, u);
        for (int p = 0; p < FK_SIDE; ++p) {
            half_way[p][q] = u[p];
        }
    }
    packed += ((size_t)(o / tile) * s.ic + c) * tile + o % tile;
    const size_t point = (size_t)blocks * s.ic * tile;
    for (int p = 0; p < FK_SIDE; ++p) {
        float u[FK_SIDE];
        weight_line(half_way[p], u);
        for (int q = 0; q < FK_SIDE; ++q) {
            packed[(size_t)(p * FK_SIDE + q) * point] = u[q];
        }
    }
}

/* taken [n, ic, th, tw] (conv2d_take) -> inputs [ic][point][pitch], tile after tile, row after row, image after image. Work
 * items of dimension 0 share a row of tiles: one on a CPU, neighbours on a GPU. */
__kernel __attribute__((vec_type_hint(float16))) void
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
    for (int k = (int)get_global_id(0) * FK_TILES; k < tiles_x; k += (int)get_global_size(0) * FK_TILES) {
        /* The last tiles of a row once more where fewer are left: the same values to the same places, by the same item. */
        const int tile = min(k, tiles_x - FK_TILES);
        fk_tiles h[FK_SIDE][FK_SIDE];
#pragma unroll
        for (int r = 0; r < FK_SIDE; ++r) {
            fk_tiles d[FK_SIDE];
            take_columns(taken + (size_t)r * tw + tile * FK_M, d);
            input_line(d, h[r]);
        }
#pragma unroll
        for (int q = 0; q < FK_SIDE; ++q) {
            fk_tiles d[FK_SIDE];
            fk_tiles v[FK_SIDE];
#pragma unroll
            for (int r = 0; r < FK_SIDE; ++r) {
                d[r] = h[r][q];
            }
            input_line(d, v);
#pragma unroll
            for (int p = 0; p < FK_SIDE; ++p) {
                FK_STORE_TILES(v[p], inputs + (size_t)(p * FK_SIDE + q) * pitch + tile);
            }
        }
    }
}

/* products [oc][point][pitch] -> y [n, oc, oh, ow]. Work items of dimension 0 share a row of tiles. */
__kernel __attribute__((vec_type_hint(float16))) void
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
    for (int k = (int)get_global_id(0) * FK_TILES; k < tiles_x; k += (int)get_global_size(0) * FK_TILES) {
        const int tile = min(k, tiles_x - FK_TILES);
        fk_tiles h[FK_M][FK_SIDE];
#pragma unroll
        for (int q = 0; q < FK_SIDE; ++q) {
            fk_tiles m[FK_SIDE];
            fk_tiles sum[FK_M];
#pragma unroll
            for (int p = 0; p < FK_SIDE; ++p) {
                m[p] = FK_LOAD_TILES(products + (size_t)(p * FK_SIDE + q) * pitch + tile);
            }
            output_line(m, sum);
#pragma unroll
            for (int i = 0; i < FK_M; ++i) {
                h[i][q] = sum[i];
            }
        }
#pragma unroll
        for (int i = 0; i < FK_M; ++i) {
            fk_tiles sum[FK_M];
            output_line(h[i], sum);
            if (i < rows) {
                const size_t row = to + (size_t)i * s.ow;
                give_row(s, in_order(sum) + b, tile * FK_M, (k - tile) * FK_M, residual != 0 ? residual + row : residual,
                         y + row);
            }
        }
    }
}
