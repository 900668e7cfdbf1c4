/* Convolution; the formula stands in src/cpp/ops/conv2d/conv2d.hpp. Arrays are dense NCHW.
 *
 * conv2d_reference  one work item for each output, the plain loops: the meaning of the op on a device
 * conv2d_take       the image as the other kernels read it: with its zeros around it, its phases apart
 *
 * Build option of conv2d_take: FK_INTERLEAVE 1: neighbouring work items take neighbouring pixels (one coalesced load on a GPU),
 * 0: a work item goes through rows (cache lines on a CPU). An item for each pixel, with divisions for its place, took 633 us on
 * a CPU for 64 x 58 x 58 pixels, rows in vectors 35.
 */
#include "fk_common.h"

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

/* Pixels [begin, end) of every `stride`-th of x, zeros before and behind them up to `count`. */
inline void take_row(__global const float* x, const int stride, const int begin, const int end, const int count,
                     __global float* taken) {
#if FK_INTERLEAVE
    for (int j = (int)get_global_id(0); j < count; j += (int)get_global_size(0)) {
        taken[j] = j >= begin && j < end ? x[j * stride] : 0.0f;
    }
#else
    int j = 0;
    for (; j < begin; ++j) {
        taken[j] = 0.0f;
    }
    if (stride == 1) {
        for (; j + 8 <= end; j += 8) {
            vstore8(vload8(0, x + j), 0, taken + j);
        }
    } else if (stride == 2) {
        for (; j + 9 <= end; j += 8) { /* the last of the 16 is read, so it must be there */
            vstore8(vload16(0, x + 2 * j).even, 0, taken + j);
        }
    }
    for (; j < end; ++j) {
        taken[j] = x[j * stride];
    }
    for (; j < count; ++j) {
        taken[j] = 0.0f;
    }
#endif
}

/* x [n, ic, ih, iw] -> taken [n, ic, phases_h, phases_w, th, tw]: the part of the image that windows reach, with its zeros.
 * Pixel (i, j) of phase (p, q) is (i stride_h + p, j stride_w + q), so that the pixels of neighbouring windows are neighbours.
 * Work items of dimension 0 share a row: one on a CPU, which goes through it in vectors, neighbours on a GPU. Those of dimension
 * 1 share a phase. */
__kernel void conv2d_take(const fk_conv2d_shape s, const int phases_h, const int phases_w, const int th, const int tw,
                          __global const float* restrict x, __global float* restrict taken) {
    const int phases = phases_h * phases_w;
    const int plane = (int)get_global_id(2) / phases;
    const int phase = (int)get_global_id(2) % phases;
    if (plane >= s.n * s.ic) {
        return;
    }
    const int top = phase / phases_w - s.pad_top;
    const int left = phase % phases_w - s.pad_left; /* the column of the first pixel */
    /* Pixels [begin, end) of a row are of the image. */
    const int begin = min(left < 0 ? FK_CEIL_DIV(-left, s.stride_w) : 0, tw);
    const int end = left < s.iw ? clamp(FK_CEIL_DIV(s.iw - left, s.stride_w), begin, tw) : begin;
    x += (size_t)plane * s.ih * s.iw;
    taken += get_global_id(2) * th * tw;
    for (int i = (int)get_global_id(1); i < th; i += (int)get_global_size(1)) {
        const int row = top + i * s.stride_h;
        const bool inside = row >= 0 && row < s.ih;
        take_row(x + (inside ? (long)row * s.iw + left : 0), s.stride_w, inside ? begin : tw, inside ? end : tw, tw,
                 taken + (size_t)i * tw);
    }
}
