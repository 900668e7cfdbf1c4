/* Convolution; the formula stands in src/cpp/ops/conv2d/conv2d.hpp. Arrays are dense NCHW.
 *
 * conv2d_reference  one work item for each output, the plain loops: the meaning of the op on a device
 * conv2d_take       the image as the other kernels read it: with its zeros around it, its phases apart
 *
 * Build option of conv2d_take: FK_INTERLEAVE 1: neighbouring work items take neighbouring pixels (one coalesced load on a GPU),
 * 0: a work item goes through rows in vectors (cache lines on a CPU). An item for each pixel, with divisions for its place, took 633 us on
 * a CPU for 64 x 58 x 58 pixels, rows in vectors 35.
 */
#include "fk_take.h"

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

/* x [n, ic, ih, iw] -> taken [n, ic, phases_h, phases_w, th, tw]: the part of the image that windows reach, with its zeros.
 * Pixel (i, j) of phase (p, q) is (i stride_h + p, j stride_w + q), so that the pixels of neighbouring windows are neighbours.
 * Work items of dimension 1 share the rows of a phase. */
__kernel void conv2d_take(const fk_conv2d_shape s, const int phases_h, const int phases_w, const int th, const int tw,
                          __global const float* restrict x, __global float* restrict taken) {
    const int phases = phases_h * phases_w;
    const int plane = (int)get_global_id(2) / phases;
    const int phase = (int)get_global_id(2) % phases;
    const int share = FK_CEIL_DIV(th, (int)get_global_size(1));
    const int first = (int)get_global_id(1) * share;
    const int last = min(first + share, th);
    if (plane >= s.n * s.ic || first >= last) {
        return;
    }
    const int top = phase / phases_w - s.pad_top;
    const int left = phase % phases_w - s.pad_left; /* the column of the first pixel */
    x += (size_t)plane * s.ih * s.iw;
    taken += get_global_id(2) * th * tw;
    const int2 inside_h = fk_inside(top + first * s.stride_h, s.stride_h, last - first, s.ih);
    const int2 inside_w = fk_inside(left, s.stride_w, tw, s.iw);
#if FK_INTERLEAVE
    for (int i = 0; i < last - first; ++i) {
        const int row = top + (first + i) * s.stride_h;
        for (int j = (int)get_global_id(0); j < tw; j += (int)get_global_size(0)) {
            const bool inside = i >= inside_h.x && i < inside_h.y && j >= inside_w.x && j < inside_w.y;
            taken[(first + i) * tw + j] = inside ? x[(size_t)row * s.iw + left + j * s.stride_w] : 0.0f;
        }
    }
#else
    fk_take_rows(s, top + first * s.stride_h, left, last - first, tw, inside_h, inside_w, x, taken + first * tw);
#endif
}
