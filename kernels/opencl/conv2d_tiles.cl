/* Convolution as a product of matrices, by tiles in local memory: weights [filters][terms] times pixels [terms][oh ow], terms = ic
 * kh kw, where the right side is never written down: a group copies what it needs of it straight from the image, zeros where a
 * window leaves it.
 *
 * A work item computes FK_TILE filters times FK_VECS pixels, all sums in registers; its group passes through the terms in steps
 * of FK_DEPTH, for each of which it copies its filters' weights and its pixels into local memory: a weight is read from there for
 * FK_VECS pixels, a pixel for FK_TILE filters, and both by as many groups fewer from memory. Neighbouring work items take
 * neighbouring pixels, in copies and in stores (coalesced on a GPU; local memory without conflicts of banks).
 *
 * Build options: FK_TILE, FK_VECS, FK_DEPTH.
 */
#include "fk_common.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_VECS
#define FK_VECS 1
#endif
#ifndef FK_DEPTH
#define FK_DEPTH 8
#endif

/* w [oc, ic / groups, kh, kw] -> packed [group][term][width]: the filters of a group side by side, zeros up to `width`. */
__kernel void tiles_weights(const fk_conv2d_shape s, const int width, __global const float* restrict w,
                            __global float* restrict packed) {
    const int terms = s.ic / s.groups * s.kh * s.kw;
    const int filters = s.oc / s.groups;
    const int filter = (int)get_global_id(0);
    const size_t line = get_global_id(1); /* group * terms + term */
    if (filter >= width || line >= (size_t)s.groups * terms) {
        return;
    }
    const size_t o = line / terms * filters + filter;
    packed[line * width + filter] = filter < filters ? w[o * terms + line % terms] : 0.0f;
}

/* taps[term]: where a term's pixels lie from those under the window's first cell, and how many rows and columns further. */
__kernel void tiles_taps(const fk_conv2d_shape s, __global int4* restrict taps) {
    const int term = (int)get_global_id(0);
    const int cells = s.kh * s.kw;
    if (term >= s.ic / s.groups * cells) {
        return;
    }
    const int row = term % cells / s.kw * s.dilation_h;
    const int column = term % s.kw * s.dilation_w;
    taps[term] = (int4)((term / cells * s.ih + row) * s.iw + column, row, column, 0);
}

/* What a work item copies of a rectangle of FK_DEPTH lines: its place in a line, and every how many-th line from which on. */
typedef struct fk_share {
    int at, first, step;
} fk_share;

inline fk_share fk_share_of(const int width) {
    const int items = (int)(get_local_size(0) * get_local_size(1));
    const int item = (int)(get_local_id(1) * get_local_size(0) + get_local_id(0));
    const fk_share share = {item % width, item / width, max(items / width, 1)};
    return share;
}

/* Where a pixel's window begins: row and column, outside the image in its border, and the distance from the image's first. */
typedef struct fk_place {
    int row, column, at;
} fk_place;

inline fk_place fk_place_of(const fk_conv2d_shape s, const int pixel) {
    const int row = pixel / s.ow * s.stride_h - s.pad_top;
    const int column = pixel % s.ow * s.stride_w - s.pad_left;
    const fk_place place = {row, column, row * s.iw + column};
    return place;
}

inline float fk_pixel(const fk_conv2d_shape s, const fk_place place, const int4 tap, __global const float* restrict x) {
    const int row = place.row + tap.y;
    const int column = place.column + tap.z;
    return row >= 0 && row < s.ih && column >= 0 && column < s.iw ? x[place.at + tap.x] : 0.0f;
}

inline float fk_finish(const fk_conv2d_shape s, const float sum, __global const float* residual) {
    const float value = residual != 0 ? sum + *residual : sum;
    return s.activation == FK_ACTIVATION_NONE ? value : fk_activate(value, s.activation, s.alpha);
}

/* width: filters in a line of `packed`. Local memory: [FK_DEPTH][FK_TILE items of dimension 1], [FK_DEPTH][FK_VECS items of
 * dimension 0]. */
__kernel void conv2d_tiles(const fk_conv2d_shape s, const int width, __global const float* restrict x,
                           __global const float* restrict packed, __global const int4* restrict taps,
                           __global const float* restrict bias, __global const float* residual, __global float* y,
                           __local float* restrict weights, __local float* restrict image) {
    const int terms = s.ic / s.groups * s.kh * s.kw;
    const int filters = s.oc / s.groups;
    const int pixels = s.oh * s.ow;
    const size_t group = get_global_id(2) % s.groups;
    const int across = (int)get_local_size(0);
    const int lines = (int)get_local_size(1) * FK_TILE;
    const int columns = across * FK_VECS;
    const int first_filter = (int)get_group_id(1) * lines;
    const int first_pixel = (int)get_group_id(0) * columns;
    const int items = across * (int)get_local_size(1);
    const fk_share of_weights = fk_share_of(lines);
    const fk_share of_pixels = fk_share_of(columns);
    x += (get_global_id(2) / s.groups * s.ic + group * (s.ic / s.groups)) * s.ih * s.iw;
    packed += group * terms * width;

    float sum[FK_TILE][FK_VECS];
    const int my_filter = first_filter + (int)get_local_id(1) * FK_TILE;
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const float start = bias != 0 && my_filter + t < filters ? bias[group * filters + my_filter + t] : 0.0f;
#pragma unroll
        for (int v = 0; v < FK_VECS; ++v) {
            sum[t][v] = start;
        }
    }
    __local const float* my_weights = weights + get_local_id(1) * FK_TILE;
    __local const float* my_image = image + get_local_id(0);
    const fk_place place = fk_place_of(s, min(first_pixel + of_pixels.at, pixels - 1));
    for (int from = 0; from < terms; from += FK_DEPTH) {
        /* One place in a line for each item, unless the group has fewer items than a line places. */
        for (int at = of_weights.at; at < lines; at += items) {
            const bool there = first_filter + at < width;
            for (int p = of_weights.first; p < FK_DEPTH; p += of_weights.step) {
                const bool some = there && from + p < terms;
                weights[p * lines + at] = some ? packed[(size_t)(from + p) * width + first_filter + at] : 0.0f;
            }
        }
        for (int at = of_pixels.at; at < columns; at += items) {
            const fk_place here = at == of_pixels.at ? place : fk_place_of(s, min(first_pixel + at, pixels - 1));
            for (int p = of_pixels.first; p < FK_DEPTH; p += of_pixels.step) {
                image[p * columns + at] = from + p < terms ? fk_pixel(s, here, taps[from + p], x) : 0.0f;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int p = 0; p < FK_DEPTH; ++p) {
            float pixel[FK_VECS];
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                pixel[v] = my_image[p * columns + v * across];
            }
#pragma unroll
            for (int t = 0; t < FK_TILE; ++t) {
                const float weight = my_weights[p * lines + t];
#pragma unroll
                for (int v = 0; v < FK_VECS; ++v) {
                    sum[t][v] = FK_FMA(weight, pixel[v], sum[t][v]);
                }
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    const size_t base = (get_global_id(2) / s.groups * s.oc + group * filters + my_filter) * pixels;
    const int my_pixel = first_pixel + (int)get_local_id(0);
    const int filters_here = min(FK_TILE, filters - my_filter);
    if (residual == 0 && s.activation <= FK_ACTIVATION_RELU) {
        /* Nearly every layer: straight from the registers. */
        const float least = s.activation == FK_ACTIVATION_RELU ? 0.0f : -INFINITY;
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                const int pixel = my_pixel + v * across;
                if (t < filters_here && pixel < pixels) {
                    y[base + (size_t)t * pixels + pixel] = sum[t][v] < least ? least : sum[t][v];
                }
            }
        }
        return;
    }
    /* Through memory, so that the activations stand once in the program and not for every sum. */
    float value[FK_TILE * FK_VECS];
#pragma unroll
    for (int k = 0; k < FK_TILE * FK_VECS; ++k) {
        value[k] = sum[k / FK_VECS][k % FK_VECS];
    }
    for (int t = 0; t < filters_here; ++t) {
        for (int v = 0; v < FK_VECS; ++v) {
            const int pixel = my_pixel + v * across;
            const size_t to = base + (size_t)t * pixels + pixel;
            if (pixel < pixels) {
                y[to] = fk_finish(s, value[t * FK_VECS + v], residual != 0 ? residual + to : residual);
            }
        }
    }
}
