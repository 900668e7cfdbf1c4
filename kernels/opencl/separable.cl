/* Depthwise-separable convolution; the formula stands in src/cpp/ops/separable/separable.hpp. Arrays are dense NCHW.
 *
 * separable_fused  a group computes a region of rows x columns pixels of an image for some blocks of filters. It puts the depthwise
 *                  half into local memory, `depth` channels at a time, and adds these to sums that it keeps in registers. What lies
 *                  between the halves is never written to global memory; groups that share a region (where there are more
 *                  filters than a group has) compute it anew.
 * separable_pack   lays out the pointwise weights so that they are read in order
 *
 * Build options: FK_LANES, FK_TILE, FK_ROWS; FK_INTERLEAVE 1: for a GPU. A work item has the sums of FK_TILE pixels times FK_LANES
 * filters, a block, while the group passes through the channels; depthwise outputs are computed from the image as it stands,
 * neighbours next to each other. 0: for a CPU. A group is one work item, which takes all channels at once, in vectors over a tile
 * of the image, and then makes the sums of FK_TILE filters, a block, times FK_VECTORS vectors of pixels one after the other: their
 * results stand side by side in memory, and 12 sums take 2 + 6 loads (with vectors of filters 1 + 14 for 14).
 */
#include "fk_depthwise_tile.h"
#include "fk_separable.h"
#include "fk_store.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#if FK_INTERLEAVE
#define FK_BLOCK FK_LANES
#else
#define FK_BLOCK FK_TILE
#endif
#define FK_VECTORS 2

/* Where a group works: rows x columns pixels of the output from (top, left). */
typedef struct fk_region {
    int top, left, rows, columns;
} fk_region;

/* w [oc, ic], bias [oc] or null -> [block of FK_BLOCK filters][1 + ic][FK_BLOCK]: the bias, then the weights; zeros past the end. */
__kernel void separable_pack(const fk_separable_shape s, __global const float* restrict w, __global const float* restrict bias,
                             __global float* restrict packed) {
    const int c = (int)get_global_id(0); /* 0: the bias */
    const int block = (int)get_global_id(1);
    if (c > s.second.ic || block * FK_BLOCK >= s.second.oc) {
        return;
    }
    for (int i = 0; i < FK_BLOCK; ++i) {
        const int o = block * FK_BLOCK + i;
        const float value = o >= s.second.oc ? 0.0f : c > 0 ? w[(size_t)o * s.second.ic + c - 1] : bias != 0 ? bias[o] : 0.0f;
        packed[((size_t)block * (1 + s.second.ic) + c) * FK_BLOCK + i] = value;
    }
}

/* between [channels][pixels]: the depthwise half of the region for `channels` channels from `first`; x: those of the image. */
void fk_depthwise_region(const fk_depthwise_shape s, const fk_region region, const int first, const int channels,
                         const int pixels, __global const float* restrict x, __global const float* restrict w,
                         __global const float* restrict bias, __local float* restrict between, __local float* restrict tile) {
    const size_t plane = (size_t)s.ih * s.iw;
    const int window = s.kh * s.kw;
#if FK_INTERLEAVE
    const int items = (int)(get_local_size(0) * get_local_size(1));
    const int used = region.rows * region.columns;
    for (int at = (int)(get_local_id(1) * get_local_size(0) + get_local_id(0)); at < channels * used; at += items) {
        const int c = first + at / used;
        const int pixel = at % used;
        const float sum = fk_depthwise_sum(s, x + c * plane, w + (size_t)c * window, bias != 0 ? bias[c] : 0.0f,
                                           region.top + pixel / region.columns, region.left + pixel % region.columns);
        between[(c - first) * pixels + pixel] = fk_activate(sum, s.activation, s.alpha);
    }
#else
    const int reach_w = (s.kw - 1) * s.dilation_w + 1;
    const int width = FK_CEIL_DIV(region.columns, FK_LANES) * FK_LANES + (reach_w - 1) / s.stride_w;
    const int rows = (FK_CEIL_DIV(region.rows, FK_ROWS) * FK_ROWS - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
    const fk_tile t = {region.top * s.stride_h - s.pad_top,
                       region.left * s.stride_w - s.pad_left,
                       rows,
                       width,
                       s.stride_w,
                       (region.rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1,
                       region.columns + (reach_w - 1) / s.stride_w};
    for (int c = first; c < first + channels; ++c) {
        fk_fill_lines(t, s.ih, s.iw, x + c * plane, 0.0f, 0, 1, tile);
        for (int i = 0; i < region.rows; i += FK_ROWS) {
            for (int j = 0; j < region.columns; j += FK_LANES) {
                fk_vec sum[FK_ROWS];
                float value[FK_LANES];
                fk_depthwise_rows(s, t, tile, i, j, region.top + i, region.left + j, x + c * plane, w + (size_t)c * window,
                                  bias != 0 ? bias[c] : 0.0f, sum);
                const int lanes = min(FK_LANES, region.columns - j);
#pragma unroll
                for (int r = 0; r < FK_ROWS; ++r) {
                    if (i + r >= region.rows) {
                        continue;
                    }
                    __local float* to = between + (c - first) * pixels + (i + r) * region.columns + j;
                    const fk_vec done = fk_activate_vec(sum[r], s.activation, s.alpha);
                    if (lanes == FK_LANES) {
                        FK_STORE(done, to);
                    } else {
                        FK_STORE(done, value);
                        for (int lane = 0; lane < lanes; ++lane) {
                            to[lane] = value[lane];
                        }
                    }
                }
            }
        }
    }
#endif
}

/* The region with that number, of regions of at most rows x columns pixels. */
fk_region fk_region_of(const fk_separable_shape s, const int number, const int rows, const int columns) {
    const int across = FK_CEIL_DIV(s.second.ow, columns);
    const int top = number / across * rows;
    const int left = number % across * columns;
    const fk_region region = {top, left, min(rows, s.second.oh - top), min(columns, s.second.ow - left)};
    return region;
}

#if FK_INTERLEAVE
/* Adds `channels` channels of a block's weights and of what lies between the halves to the sums of pixels at[]. */
void fk_add_channels(__global const float* restrict packed, __local const float* restrict between, const int channels,
                     const int pixels, const int* at, fk_vec* sum) {
    for (int c = 0; c < channels; ++c) {
        const fk_vec weight = FK_LOAD(packed + c * FK_LANES);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            sum[t] = FK_FMA((fk_vec)(between[c * pixels + at[t]]), weight, sum[t]);
        }
    }
}

/* Stores the sums of pixels first, first + step, ... of a region of an image, of a block of filters. */
void fk_store_sums(const fk_separable_shape s, const size_t image, const fk_region region, const int block, const int first,
                   const int step, const fk_vec* sum, __global const float* residual, __global float* y) {
    const size_t plane = (size_t)s.second.oh * s.second.ow;
    const int lanes = min(FK_LANES, s.second.oc - block * FK_LANES);
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const int pixel = first + t * step;
        if (pixel < region.rows * region.columns) {
            const int row = region.top + pixel / region.columns;
            const int column = region.left + pixel % region.columns;
            const size_t to = (image * s.second.oc + (size_t)block * FK_LANES) * plane + (size_t)row * s.second.ow + column;
            fk_store_planes(sum[t], residual != 0 ? residual + to : 0, plane, lanes, s.second.activation, s.second.alpha, y + to);
        }
    }
}

/* A tile that reaches past the region reads its last pixel again and does not store it. */
void fk_begin_sums(const int used, const int first, const int step, __global const float* restrict bias, int* at, fk_vec* sum) {
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        at[t] = min(first + t * step, used - 1);
        sum[t] = FK_LOAD(bias);
    }
}
#else
/* Results of a block of filters for the pixels [first, first + FK_VECTORS FK_LANES) of a region, which stand side by side. */
void fk_make_sums(const fk_separable_shape s, const size_t image, const fk_region region, const int block, const int first,
                  const int pixels, __global const float* restrict weights, __local const float* restrict between,
                  __global const float* restrict residual, __global float* restrict y) {
    fk_vec sum[FK_TILE][FK_VECTORS];
#pragma unroll
    for (int i = 0; i < FK_TILE; ++i) {
#pragma unroll
        for (int v = 0; v < FK_VECTORS; ++v) {
            sum[i][v] = (fk_vec)(weights[i]);
        }
    }
    for (int c = 0; c < s.second.ic; ++c) {
        __local const float* right = between + c * pixels + first;
        weights += FK_TILE;
#pragma unroll
        for (int i = 0; i < FK_TILE; ++i) {
#pragma unroll
            for (int v = 0; v < FK_VECTORS; ++v) {
                sum[i][v] = FK_FMA(FK_LOAD(right + v * FK_LANES), (fk_vec)(weights[i]), sum[i][v]);
            }
        }
    }
    const size_t plane = (size_t)s.second.oh * s.second.ow;
    const size_t begin = (image * s.second.oc + (size_t)block * FK_TILE) * plane + (size_t)region.top * s.second.ow + region.left;
    const int used = region.rows * region.columns;
#pragma unroll
    for (int i = 0; i < FK_TILE; ++i) {
#pragma unroll
        for (int v = 0; v < FK_VECTORS; ++v) {
            const int pixel = first + v * FK_LANES;
            if (block * FK_TILE + i < s.second.oc && pixel < used) {
                const size_t to = begin + i * plane + pixel;
                fk_store_row(sum[i][v], residual != 0 ? residual + to : 0, min(FK_LANES, used - pixel), s.second.activation,
                             s.second.alpha, y + to);
            }
        }
    }
}
#endif

/* Regions are of at most rows x columns pixels. FK_INTERLEAVE 1: `tiles` (a multiple of the group's) work items along axis 0
 * share one, and a work item has one of the blocks of filters along axis 1; 0: a work item has a region, which is of whole rows or
 * of one row, and `blocks` blocks. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
separable_fused(const fk_separable_shape s, const int rows, const int columns, const int tiles, const int blocks, const int depth,
                __global const float* restrict x, __global const float* restrict w_dw, __global const float* restrict b_dw,
                __global const float* restrict packed, __global const float* restrict residual, __global float* restrict y,
                __local float* restrict between, __local float* restrict tile) {
    const size_t image = get_global_id(2);
    const int ic = s.second.ic;
    const int all = FK_CEIL_DIV(s.second.oc, FK_BLOCK);
    x += image * s.first.c * s.first.ih * s.first.iw;
#if FK_INTERLEAVE
    const fk_region region = fk_region_of(s, (int)get_global_id(0) / tiles, rows, columns);
    const int used = region.rows * region.columns;
    const int pixels = rows * columns;
    const int block = (int)get_global_id(1);
    const int mine = (int)get_global_id(0) % tiles;
    const bool works = block < all && mine < used;
    int at[FK_TILE];
    fk_vec sum[FK_TILE];
    packed += (size_t)min(block, all - 1) * (1 + ic) * FK_LANES;
    fk_begin_sums(used, mine, tiles, packed, at, sum);
    for (int first = 0; first < ic; first += depth) {
        const int channels = min(depth, ic - first);
        fk_depthwise_region(s.first, region, first, channels, pixels, x, w_dw, b_dw, between, tile);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (works) {
            fk_add_channels(packed + (1 + first) * FK_LANES, between, channels, pixels, at, sum);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (works) {
        fk_store_sums(s, image, region, block, mine, tiles, sum, residual, y);
    }
#else
    const fk_region region = fk_region_of(s, (int)get_global_id(0), rows, columns);
    const int step = FK_VECTORS * FK_LANES;
    const int pixels = FK_CEIL_DIV(rows * columns, step) * step;
    const int begin = (int)get_global_id(1) * blocks;
    fk_depthwise_region(s.first, region, 0, ic, pixels, x, w_dw, b_dw, between, tile);
    for (int block = begin; block < min(begin + blocks, all); ++block) {
        __global const float* weights = packed + (size_t)block * (1 + ic) * FK_TILE;
        for (int first = 0; first < region.rows * region.columns; first += step) {
            fk_make_sums(s, image, region, block, first, pixels, weights, between, residual, y);
        }
    }
#endif
}
