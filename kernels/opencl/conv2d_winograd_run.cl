/* Winograd's filtering (conv2d_winograd.cl has the formula and the bound) for CPUs: one work item takes a run of FK_TILE tiles through
 * the whole layer, so that what lies between the transforms stays in its core's cache, in vectors of channels and of filters:
 *
 *   strip      a row of tiles with its zeros, transposed from vectors of neighbouring pixels [row][pixel][channel]
 *   inputs     B^T d B [point][block of channels][tile][channel]
 *   products   for FK_VECS vectors of filters at a time, sums in registers [point][tile][filter]
 *   planes     A^T m A transposed back [filter][row][tile][column], which are parts of the rows of y
 *
 * One item is a group: neighbours have nothing to share but weights, and a GPU, which needs thousands, takes the kernels of
 * conv2d_winograd.cl. On the way (Zen 4, two cores, Intel's runtime, 8 x 16 x 24 x 24 with 32 filters, m = 4): four kernels through
 * memory, transforms in vectors of four tiles, 230 us, of which the products 62, the outputs 105; in runs 210; stores a filter at a time
 * 156; stores of whole rows, strips made by the item itself and not by a kernel before (what another core has written comes late) 106.
 */
#include "fk_run.h"
#include "fk_winograd.h"

/* B^T d B of `tiles` tiles side by side, from strip [row][pixel][lane]. */
static inline void fk_run_inputs(const int channel_blocks, const int tiles, __global const float* restrict strip,
                                 __global float* restrict inputs) {
    const int width = tiles * FK_M + 2;
    for (int t = 0; t < tiles; ++t, strip += FK_M * FK_LANES, inputs += FK_LANES) {
        fk_vec h[FK_SIDE][FK_SIDE];
#pragma unroll
        for (int q = 0; q < FK_SIDE; ++q) {
            fk_vec d[FK_SIDE];
            fk_vec v[FK_SIDE];
#pragma unroll
            for (int r = 0; r < FK_SIDE; ++r) {
                d[r] = FK_LOAD(strip + (r * width + q) * FK_LANES);
            }
            input_line(d, v);
#pragma unroll
            for (int p = 0; p < FK_SIDE; ++p) {
                h[p][q] = v[p];
            }
        }
#pragma unroll
        for (int p = 0; p < FK_SIDE; ++p) {
            fk_vec v[FK_SIDE];
            input_line(h[p], v);
#pragma unroll
            for (int q = 0; q < FK_SIDE; ++q) {
                FK_STORE(v[q], inputs + (size_t)(p * FK_SIDE + q) * channel_blocks * FK_TILE * FK_LANES);
            }
        }
    }
}

/* products of FK_LANES filters -> outputs [row][tile][column][lane]. */
static inline void fk_run_outputs(__global const float* restrict products, __global float* restrict outputs) {
    for (int t = 0; t < FK_TILE; ++t, products += FK_FILTERS, outputs += FK_M * FK_LANES) {
        fk_vec h[FK_M][FK_SIDE];
#pragma unroll
        for (int q = 0; q < FK_SIDE; ++q) {
            fk_vec m[FK_SIDE];
            fk_vec sum[FK_M];
#pragma unroll
            for (int p = 0; p < FK_SIDE; ++p) {
                m[p] = FK_LOAD(products + (size_t)(p * FK_SIDE + q) * FK_TILE * FK_FILTERS);
            }
            output_line(m, sum);
#pragma unroll
            for (int i = 0; i < FK_M; ++i) {
                h[i][q] = sum[i];
            }
        }
#pragma unroll
        for (int i = 0; i < FK_M; ++i) {
            fk_vec sum[FK_M];
            output_line(h[i], sum);
#pragma unroll
            for (int j = 0; j < FK_M; ++j) {
                FK_STORE(sum[j], outputs + (i * FK_TILE * FK_M + j) * FK_LANES);
            }
        }
    }
}

/* x [n, ic, ih, iw] with ih iw >= FK_LANES. packed: from winograd_weights, in blocks of FK_FILTERS. scratch: `floats` for each work
 * item: strip, inputs, products, outputs, planes. y, residual [n, oc, oh, ow]; residual may be null. bias: from run_bias. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
winograd_run(const fk_conv2d_shape s, const int floats, __global const float* restrict x,
             __global const float* restrict packed, __global const float* restrict bias, __global const float* residual,
             __global float* restrict scratch, __global float* y) {
    const int tiles = s.n * FK_CEIL_DIV(s.oh, FK_M) * FK_CEIL_DIV(s.ow, FK_M);
    const int channel_blocks = FK_CEIL_DIV(s.ic, FK_LANES);
    const int filter_blocks = FK_CEIL_DIV(s.oc, FK_FILTERS);
    /* Shares of neighbouring runs, none larger by more than one. */
    const int runs = FK_CEIL_DIV(tiles, FK_TILE);
    const int end = (int)((get_global_id(0) + 1) * runs / get_global_size(0));
    __global float* strip = scratch + get_global_id(0) * floats;
    __global float* inputs = strip + FK_SIDE * (FK_TILE * FK_M + 2) * FK_LANES;
    __global float* products = inputs + FK_POINTS * channel_blocks * FK_TILE * FK_LANES;
    __global float* outputs = products + FK_POINTS * FK_TILE * FK_FILTERS;
    __global float* planes = outputs + FK_PLANE * FK_LANES;
    const size_t packed_block = (size_t)s.ic * FK_FILTERS;
    for (int run = (int)(get_global_id(0) * runs / get_global_size(0)); run < end; ++run) {
        const int first = run * FK_TILE;
        fk_parts parts;
        fk_find_parts(s, first, min(FK_TILE, tiles - first), &parts);
        __global float* to = inputs;
        for (int part = 0; part < parts.count; to += parts.tiles[part] * FK_LANES, ++part) {
            const int width = parts.tiles[part] * FK_M + 2;
            fk_run_zeros(FK_SIDE * width, strip);
            for (int block = 0; block < channel_blocks; ++block) {
                const int c = block * FK_LANES;
                fk_run_strip(s, min(FK_LANES, s.ic - c), parts.row[part] - s.pad_top, parts.column[part] - s.pad_left, FK_SIDE, width,
                             x + ((size_t)parts.image[part] * s.ic + c) * s.ih * s.iw, strip);
                fk_run_inputs(channel_blocks, parts.tiles[part], strip, to + (size_t)block * FK_TILE * FK_LANES);
            }
        }
        for (int block = 0; block < filter_blocks; ++block) {
            fk_run_products(FK_POINTS, 1, s.ic, filter_blocks * packed_block, inputs, packed + block * packed_block, products);
            for (int v = 0; v < FK_VECS && block * FK_FILTERS + v * FK_LANES < s.oc; ++v) {
                fk_run_outputs(products + v * FK_LANES, outputs);
                fk_run_finish(s, &parts, block * FK_FILTERS + v * FK_LANES, FK_LANES, outputs, bias, residual, planes, y);
            }
        }
    }
}
