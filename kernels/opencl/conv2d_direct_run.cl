/* Convolution in runs of outputs that follow each other (fk_run.h), for strides on CPUs: vectors of pixels, as in conv2d_direct.cl,
 * would need the pixels that windows step over set apart, and short rows leave their lanes empty. One launch:
 *
 *   strip      the rows below a part of a row of outputs, with their zeros [row][pixel][channel]
 *   inputs     the pixels of each window position side by side [position][block of channels][output][channel]
 *   products   for FK_VECS vectors of filters at a time, sums in registers [output][filter]; transposed into y
 *
 * Zen 4, two cores, Intel's runtime, 64 -> 128 filters of 3 x 3 in steps of 2 over 8 x 12 x 12, 184 us at most: 225 us, by conv2d_take and conv2d_direct 360.
 */
#include "fk_run.h"

/* w [oc, ic, positions] -> packed [block of `tile` filters][position][ic][tile]; zeros where the last block has no filter. */
__kernel void direct_run_weights(const fk_conv2d_shape s, const int tile, __global const float* restrict w,
                                 __global float* restrict packed) {
    const int c = (int)get_global_id(0);
    const int o = (int)get_global_id(1);
    const int positions = s.kh * s.kw;
    if (c >= s.ic || o >= FK_CEIL_DIV(s.oc, tile) * tile) {
        return;
    }
    packed += ((size_t)(o / tile) * positions * s.ic + c) * tile + o % tile;
    for (int k = 0; k < positions; ++k) {
        packed[(size_t)k * s.ic * tile] = o < s.oc ? w[((size_t)o * s.ic + c) * positions + k] : 0.0f;
    }
}

/* The pixels of `count` windows, strip [row][pixel][lane] -> inputs [position][...][output][lane], positions `step` floats apart. */
static inline void fk_run_windows(const fk_conv2d_shape s, const int count, const int width, const size_t step,
                                  __global const float* restrict strip, __global float* restrict inputs) {
    for (int p = 0; p < s.kh; ++p) {
        for (int q = 0; q < s.kw; ++q, inputs += step) {
            __global const float* pixel = strip + (p * s.dilation_h * width + q * s.dilation_w) * FK_LANES;
            for (int t = 0; t < count; ++t, pixel += s.stride_w * FK_LANES) {
                FK_STORE(FK_LOAD(pixel), inputs + t * FK_LANES);
            }
        }
    }
}

/* x [n, ic, ih, iw], groups 1, ih iw >= FK_LANES; arguments as in winograd_run (conv2d_winograd_run.cl). */
__kernel __attribute__((vec_type_hint(fk_vec))) void
conv2d_direct_run(const fk_conv2d_shape s, const int floats, __global const float* restrict x,
                  __global const float* restrict packed, __global const float* restrict bias, __global const float* residual,
                  __global float* restrict scratch, __global float* y) {
    const int outputs = s.n * s.oh * s.ow;
    const int positions = s.kh * s.kw;
    const int rows = (s.kh - 1) * s.dilation_h + 1;
    const int channel_blocks = FK_CEIL_DIV(s.ic, FK_LANES);
    const int filter_blocks = FK_CEIL_DIV(s.oc, FK_FILTERS);
    const size_t packed_block = (size_t)positions * s.ic * FK_FILTERS;
    /* Shares of neighbouring runs, none larger by more than one. */
    const int runs = FK_CEIL_DIV(outputs, FK_TILE);
    const int end = (int)((get_global_id(0) + 1) * runs / get_global_size(0));
    __global float* inputs = scratch + get_global_id(0) * floats;
    __global float* products = inputs + (size_t)positions * channel_blocks * FK_TILE * FK_LANES;
    __global float* planes = products + FK_PLANE * FK_FILTERS; /* whole squares */
    __global float* strip = planes + FK_PLANE * FK_LANES;
    for (int run = (int)(get_global_id(0) * runs / get_global_size(0)); run < end; ++run) {
        const int first = run * FK_TILE;
        fk_parts parts;
        fk_find_parts(s, first, min(FK_TILE, outputs - first), &parts);
        __global float* to = inputs;
        for (int part = 0; part < parts.count; to += parts.tiles[part] * FK_LANES, ++part) {
            const int count = parts.tiles[part];
            const int width = (count - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1;
            fk_run_zeros(rows * width, strip);
            for (int block = 0; block < channel_blocks; ++block) {
                const int c = block * FK_LANES;
                fk_run_strip(s, min(FK_LANES, s.ic - c), parts.row[part] * s.stride_h - s.pad_top,
                             parts.column[part] * s.stride_w - s.pad_left, rows, width,
                             x + ((size_t)parts.image[part] * s.ic + c) * s.ih * s.iw, strip);
                fk_run_windows(s, count, width, (size_t)channel_blocks * FK_TILE * FK_LANES, strip,
                               to + (size_t)block * FK_TILE * FK_LANES);
            }
        }
        for (int block = 0; block < filter_blocks; ++block) {
            fk_run_products(1, positions, s.ic, 0, inputs, packed + block * packed_block, products);
            for (int v = 0; v < FK_VECS && block * FK_FILTERS + v * FK_LANES < s.oc; ++v) {
                fk_run_finish(s, &parts, block * FK_FILTERS + v * FK_LANES, FK_FILTERS, products + v * FK_LANES, bias, residual,
                              planes, y);
            }
        }
    }
}
