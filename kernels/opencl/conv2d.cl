/* Convolution; the formula stands in src/cpp/ops/conv2d/conv2d.hpp. Arrays are dense NCHW.
 *
 * conv2d_reference  one work item for each output, the plain loops: the meaning of the op on a device
 * conv2d_direct     one work item for FK_TILE pixels of a row times FK_LANES filters, all sums in registers:
 *                   a vector of weights is loaded once for FK_TILE pixels, a pixel once for FK_LANES filters.
 *                   Its loops hold no test of the image's border: conv2d_pad has put the zeros there before, where there are
 *                   any, and conv2d_pack has laid out the weights so that they are read in order. vec_type_hint keeps a
 *                   CPU's compiler from taking the vectors apart to make its own from neighbouring work items.
 *
 * Build options: FK_LANES 1, 2, 4, 8, 16; FK_TILE; FK_INTERLEAVE 1: neighbouring work items take neighbouring pixels (one
 * coalesced load on a GPU), 0: a work item's pixels are neighbours (one cache line on a CPU).
 */
#include "fk_common.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif

__kernel void conv2d_reference(const fk_conv2d_shape s, __global const float* restrict x, __global const float* restrict w,
                               __global const float* restrict bias, __global const float* restrict residual,
                               __global float* restrict y) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const size_t plane = get_global_id(2); /* image * oc + filter */
    if (i >= s.oh || j >= s.ow || plane >= (size_t)s.n * s.oc) {
        return;
    }
    const int o = (int)(plane % s.oc);
    const int ic = s.ic / s.groups;
    const int group = o / (s.oc / s.groups);
    x += (plane / s.oc * s.ic + (size_t)group * ic) * s.ih * s.iw;
    w += (size_t)o * ic * s.kh * s.kw;
    float sum = bias != 0 ? bias[o] : 0.0f;
    for (int c = 0; c < ic; ++c, x += (size_t)s.ih * s.iw) {
        for (int p = 0; p < s.kh; ++p) {
            for (int q = 0; q < s.kw; ++q) {
                const int row = i * s.stride_h + p * s.dilation_h - s.pad_top;
                const int column = j * s.stride_w + q * s.dilation_w - s.pad_left;
                const bool inside = row >= 0 && row < s.ih && column >= 0 && column < s.iw;
                /* A zero outside is multiplied like any other value: an infinite weight there gives NaN, as everywhere. */
                sum = FK_FMA(inside ? x[(size_t)row * s.iw + column] : 0.0f, *w++, sum);
            }
        }
    }
    const size_t at = (plane * s.oh + i) * s.ow + j;
    y[at] = fk_activate(residual != 0 ? sum + residual[at] : sum, s.activation, s.alpha);
}

/* x [n, ic, ih, iw] -> padded [n, ic, xh, xw], the part of the image that windows reach, zeros around it. */
__kernel void conv2d_pad(const fk_conv2d_shape s, const int xh, const int xw, __global const float* restrict x,
                         __global float* restrict padded) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const size_t plane = get_global_id(2);
    if (i >= xh || j >= xw || plane >= (size_t)s.n * s.ic) {
        return;
    }
    const int row = i - s.pad_top;
    const int column = j - s.pad_left;
    const bool inside = row >= 0 && row < s.ih && column >= 0 && column < s.iw;
    padded[(plane * xh + i) * xw + j] = inside ? x[(plane * s.ih + row) * s.iw + column] : 0.0f;
}

/* w [oc, ic / groups, kh, kw], bias [oc] or null -> [group][block of FK_LANES filters][1 + ic / groups * kh * kw][FK_LANES]:
 * the bias, then the weights; zeros where the last block of a group has no filter. */
__kernel void conv2d_pack(const fk_conv2d_shape s, __global const float* restrict w, __global const float* restrict bias,
                          __global float* restrict packed) {
    const int terms = s.ic / s.groups * s.kh * s.kw;
    const int filters = s.oc / s.groups;
    const int blocks = FK_CEIL_DIV(filters, FK_LANES);
    const int k = (int)get_global_id(0); /* 0: the bias */
    const size_t block = get_global_id(1);
    if (k > terms || block >= (size_t)s.groups * blocks) {
        return;
    }
    const int first = (int)(block % blocks) * FK_LANES;
    const int group = (int)(block / blocks);
    for (int lane = 0; lane < FK_LANES; ++lane) {
        float value = 0.0f;
        if (first + lane < filters) {
            const size_t o = (size_t)group * filters + first + lane;
            value = k > 0 ? w[o * terms + k - 1] : bias != 0 ? bias[o] : 0.0f;
        }
        packed[(block * (1 + terms) + k) * FK_LANES + lane] = value;
    }
}

/* x [n, ic, xh, xw]: as it came, or from conv2d_pad. rows x cols outputs an image: oh x ow, or 1 x (oh ow) for 1 x 1 windows
 * over whole images, whose pixels then form one row. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
conv2d_direct(const fk_conv2d_shape s, const int rows, const int cols, const int xh, const int xw,
              __global const float* restrict x, __global const float* restrict packed, __global const float* restrict residual,
              __global float* restrict y) {
    const int ic = s.ic / s.groups;
    const int filters = s.oc / s.groups;
    const int blocks = FK_CEIL_DIV(filters, FK_LANES);
    const int i = (int)get_global_id(1);
    const size_t block = get_global_id(2) % ((size_t)blocks * s.groups);
    const size_t image = get_global_id(2) / ((size_t)blocks * s.groups);
    const int group = (int)(block / blocks);
    const int first = (int)(block % blocks) * FK_LANES;
#if FK_INTERLEAVE
    const int step = (int)get_local_size(0);
    const int j = (int)get_group_id(0) * step * FK_TILE + (int)get_local_id(0);
#else
    const int step = 1;
    const int j = (int)get_global_id(0) * FK_TILE;
#endif
    if (i >= rows || j >= cols || image >= (size_t)s.n) {
        return;
    }
    x += ((image * s.ic + (size_t)group * ic) * xh + (size_t)i * s.stride_h) * xw;
    packed += block * (1 + (size_t)ic * s.kh * s.kw) * FK_LANES;

    /* A tile that reaches past the row reads its last pixel again and does not store it. */
    int at[FK_TILE];
    fk_vec sum[FK_TILE];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        at[t] = min(j + t * step, cols - 1) * s.stride_w;
        sum[t] = FK_LOAD(packed);
    }
    packed += FK_LANES;
    for (int c = 0; c < ic; ++c, x += (size_t)xh * xw) {
        __global const float* row = x;
        for (int p = 0; p < s.kh; ++p, row += (size_t)s.dilation_h * xw) {
            __global const float* pixel = row;
            for (int q = 0; q < s.kw; ++q, pixel += s.dilation_w, packed += FK_LANES) {
                const fk_vec weight = FK_LOAD(packed);
#pragma unroll
                for (int t = 0; t < FK_TILE; ++t) {
                    sum[t] = FK_FMA((fk_vec)(pixel[at[t]]), weight, sum[t]);
                }
            }
        }
    }

    const size_t plane = (size_t)rows * cols;
    const size_t base = (image * s.oc + (size_t)group * filters + first) * plane + (size_t)i * cols + j;
    const int lanes = min(FK_LANES, filters - first);
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        if (j + t * step < cols) {
            float value[FK_LANES];
            if (residual != 0) {
                FK_STORE(sum[t], value);
                for (int lane = 0; lane < lanes; ++lane) {
                    value[lane] += residual[base + lane * plane + t * step];
                }
                sum[t] = FK_LOAD(value);
            }
            FK_STORE(fk_activate_vec(sum[t], s.activation, s.alpha), value);
            for (int lane = 0; lane < lanes; ++lane) {
                y[base + lane * plane + t * step] = value[lane];
            }
        }
    }
}
