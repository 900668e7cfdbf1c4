/* Convolution as a product of matrices, by tiles in local memory (fk_tile.h): weights [filters][terms] times pixels
 * [terms][n oh ow], terms = ic kh kw, where the right side is never written down: a group copies what it needs of it straight from
 * the images, zeros where a window leaves them. Pixels go on from image to image, so that small images fill groups together.
 */
#include "fk_tile.h"

#define FK_COPIED_PIXELS (FK_DEPTH * FK_COLUMNS / FK_ITEMS) /* by a work item in a step */

/* w [oc, ic / groups, kh, kw] -> packed [group][term][width], terms to whole steps: the filters of a group side by side, zeros
 * beyond them. */
__kernel void tiles_weights(const fk_conv2d_shape s, const int width, __global const float* restrict w,
                            __global float* restrict packed) {
    const int terms = s.ic / s.groups * s.kh * s.kw;
    const int padded = FK_CEIL_DIV(terms, FK_DEPTH) * FK_DEPTH;
    const int filters = s.oc / s.groups;
    const int filter = (int)get_global_id(0);
    const size_t line = get_global_id(1); /* group * padded + term */
    if (filter >= width || line >= (size_t)s.groups * padded) {
        return;
    }
    const int term = (int)(line % padded);
    const size_t o = line / padded * filters + filter;
    packed[line * width + filter] = filter < filters && term < terms ? w[o * terms + term] : 0.0f;
}

/* taps[term]: where a term's pixels lie from those under the window's first cell, and how many rows and columns further; above
 * the image for terms that fill the last step. */
__kernel void tiles_taps(const fk_conv2d_shape s, __global int4* restrict taps) {
    const int term = (int)get_global_id(0);
    const int cells = s.kh * s.kw;
    const int terms = s.ic / s.groups * cells;
    if (term >= FK_CEIL_DIV(terms, FK_DEPTH) * FK_DEPTH) {
        return;
    }
    const int row = term % cells / s.kw * s.dilation_h;
    const int column = term % s.kw * s.dilation_w;
    taps[term] = term < terms ? (int4)((term / cells * s.ih + row) * s.iw + column, row, column, 0) : (int4)(0, INT_MIN / 2, 0, 0);
}

/* The window of a pixel: its first row and column, outside the image in its border, and where that cell would be. */
typedef struct fk_window {
    int row, column;
    __global const float* x;
} fk_window;

static inline fk_window fk_window_of(const fk_conv2d_shape s, const int pixel, __global const float* x) {
    const int inside = pixel % (s.oh * s.ow);
    fk_window window;
    window.row = inside / s.ow * s.stride_h - s.pad_top;
    window.column = inside % s.ow * s.stride_w - s.pad_left;
    window.x = x + (size_t)(pixel / (s.oh * s.ow)) * s.ic * s.ih * s.iw + (long)window.row * s.iw + window.column;
    return window;
}

/* The pixels of a step that a work item copies, all in one column. */
static inline void fk_fetch_pixels(const fk_conv2d_shape s, const fk_member m, const fk_window window,
                                   __global const int4* restrict taps, float* copied) {
#pragma unroll
    for (int k = 0; k < FK_COPIED_PIXELS; ++k) {
        const int4 tap = taps[m.item / FK_COLUMNS + k * (FK_ITEMS / FK_COLUMNS)];
        const uint row = (uint)(window.row + tap.y);
        const uint column = (uint)(window.column + tap.z);
        copied[k] = row < (uint)s.ih && column < (uint)s.iw ? window.x[tap.x] : 0.0f;
    }
}

static inline void fk_stash_pixels(const fk_member m, const float* copied, __local float* to) {
#pragma unroll
    for (int k = 0; k < FK_COPIED_PIXELS; ++k) {
        to[m.item + k * FK_ITEMS] = copied[k];
    }
}

static inline float fk_finish(const fk_conv2d_shape s, const float sum, __global const float* residual) {
    const float value = residual != 0 ? sum + *residual : sum;
    return s.activation == FK_ACTIVATION_NONE ? value : fk_activate(value, s.activation, s.alpha);
}

/* width: filters in a line of `packed`, whole groups of them. */
__kernel __attribute__((reqd_work_group_size(FK_ACROSS, FK_ACROSS, 1))) void
conv2d_tiles(const fk_conv2d_shape s, const int width, __global const float* restrict x, __global const fk_left* restrict packed,
             __global const int4* restrict taps, __global const float* restrict bias, __global const float* residual,
             __global float* y) {
    __local fk_left weights[2][FK_DEPTH * FK_LEFTS];
    __local fk_right image[2][FK_DEPTH * FK_RIGHTS];
    const int steps = FK_CEIL_DIV(s.ic / s.groups * s.kh * s.kw, FK_DEPTH);
    const int filters = s.oc / s.groups;
    const int pixels = s.oh * s.ow;
    const int group = (int)get_group_id(2);
    const int first_pixel = (int)get_group_id(0) * FK_COLUMNS;
    const fk_member m = fk_this_member();
    const int my_filter = (int)get_group_id(1) * FK_ROWS + m.row * FK_TILE;

    float sum[FK_TILE][FK_VECS];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const float start = bias != 0 && my_filter + t < filters ? bias[group * filters + my_filter + t] : 0.0f;
#pragma unroll
        for (int v = 0; v < FK_VECS; ++v) {
            sum[t][v] = start;
        }
    }
    const fk_window window = fk_window_of(s, min(first_pixel + m.item % FK_COLUMNS, s.n * pixels - 1),
                                          x + (size_t)group * (s.ic / s.groups) * s.ih * s.iw);
    packed += ((size_t)group * steps * FK_DEPTH * width + get_group_id(1) * FK_ROWS) / FK_LEFT;
    fk_left next_weights[FK_COPIED_LEFT];
    float next_pixels[FK_COPIED_PIXELS];
    fk_fetch_left(m, width, FK_DEPTH - 1, packed, next_weights);
    fk_fetch_pixels(s, m, window, taps, next_pixels);
    fk_stash_left(m, next_weights, weights[0]);
    fk_stash_pixels(m, next_pixels, (__local float*)image[0]);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = 0; step < steps; ++step) {
        if (step + 1 < steps) {
            const size_t term = (size_t)(step + 1) * FK_DEPTH;
            fk_fetch_left(m, width, FK_DEPTH - 1, packed + term * (width / FK_LEFT), next_weights);
            fk_fetch_pixels(s, m, window, taps + term, next_pixels);
        }
        fk_multiply(m, weights[step % 2], image[step % 2], sum);
        if (step + 1 < steps) {
            fk_stash_left(m, next_weights, weights[(step + 1) % 2]);
            fk_stash_pixels(m, next_pixels, (__local float*)image[(step + 1) % 2]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    const int filters_here = min(FK_TILE, filters - my_filter);
    if (residual == 0 && s.activation <= FK_ACTIVATION_RELU && pixels % FK_RIGHT == 0) {
        /* Nearly every layer: straight from the registers, in vectors, which images end with. */
        const float least = s.activation == FK_ACTIVATION_RELU ? 0.0f : -INFINITY;
#pragma unroll
        for (int k = 0; k < FK_VECS / FK_RIGHT; ++k) {
            const int pixel = first_pixel + fk_column(m, k);
            if (pixel < s.n * pixels) {
                __global float* to = y + ((size_t)(pixel / pixels) * s.oc + group * filters + my_filter) * pixels + pixel % pixels;
#pragma unroll
                for (int t = 0; t < FK_TILE; ++t, to += pixels) {
                    if (t < filters_here) {
                        const fk_right value = FK_JOIN(vload, FK_RIGHT)(k, sum[t]);
                        *(__global fk_right*)to = select(value, (fk_right)(least), value < least);
                    }
                }
            }
        }
        return;
    }
    /* Through memory, so that the activations stand once in the program and not for every sum. */
    float value[FK_VECS * FK_TILE];
#pragma unroll
    for (int k = 0; k < FK_VECS * FK_TILE; ++k) {
        value[k] = sum[k % FK_TILE][k / FK_TILE];
    }
    for (int v = 0; v < FK_VECS; ++v) {
        const int pixel = first_pixel + fk_column(m, v / FK_RIGHT) + v % FK_RIGHT;
        if (pixel >= s.n * pixels) {
            break;
        }
        size_t to = ((size_t)(pixel / pixels) * s.oc + group * filters + my_filter) * pixels + pixel % pixels;
        for (int t = 0; t < filters_here; ++t, to += pixels) {
            y[to] = fk_finish(s, value[v * FK_TILE + t], residual != 0 ? residual + to : residual);
        }
    }
}
