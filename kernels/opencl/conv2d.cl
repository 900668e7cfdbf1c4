/* Convolution; the formula stands in src/cpp/ops/conv2d/conv2d.hpp. Arrays are dense NCHW.
 *
 * conv2d_reference  one work item for each output, the plain loops: the meaning of the op on a device
 * conv2d_direct     one work item for FK_TILE filters times FK_VECS vectors of FK_LANES neighbouring pixels, all sums in
 *                   registers: a vector of pixels is loaded once for FK_TILE filters, a weight once for all pixels. With
 *                   1 x 1 windows it is the product of the weights and the image as a matrix [channels][pixels].
 *                   Its loops hold no test of the image's border and no strides: conv2d_take has put the zeros around the image
 *                   before and set pixels that windows step over apart, where there are any, and conv2d_pack has laid out
 *                   the weights so that they are read in order. vec_type_hint keeps a CPU's compiler from taking the vectors
 *                   apart to make its own from neighbouring work items.
 *
 * On the way (Zen 4, two cores, Intel's runtime, 64 -> 256 filters of 1 x 1 on 56 x 56, 232 GFLOP/s at most): vectors of 16
 * filters times 12 pixels 105 GFLOP/s, whose stores are 16 planes apart; vectors of pixels 205.
 *
 * Build options: FK_LANES 1, 2, 4, 8, 16; FK_VECS; FK_TILE; FK_INTERLEAVE 1: neighbouring work items take neighbouring vectors
 * (one coalesced load on a GPU), 0: a work item's vectors are neighbours (cache lines on a CPU).
 */
#include "fk_common.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_VECS
#define FK_VECS 1
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

/* w [oc, ic / groups, kh, kw], bias [oc] or null -> [group][block of FK_TILE filters][1 + ic / groups * kh * kw][FK_TILE]:
 * the bias, then the weights; zeros where the last block of a group has no filter. */
__kernel void conv2d_pack(const fk_conv2d_shape s, __global const float* restrict w, __global const float* restrict bias,
                          __global float* restrict packed) {
    const int terms = s.ic / s.groups * s.kh * s.kw;
    const int filters = s.oc / s.groups;
    const int blocks = FK_CEIL_DIV(filters, FK_TILE);
    const int k = (int)get_global_id(0); /* 0: the bias */
    const size_t block = get_global_id(1);
    if (k > terms || block >= (size_t)s.groups * blocks) {
        return;
    }
    const int first = (int)(block % blocks) * FK_TILE;
    const int group = (int)(block / blocks);
    for (int t = 0; t < FK_TILE; ++t) {
        float value = 0.0f;
        if (first + t < filters) {
            const size_t o = (size_t)group * filters + first + t;
            value = k > 0 ? w[o * terms + k - 1] : bias != 0 ? bias[o] : 0.0f;
        }
        packed[(block * (1 + terms) + k) * FK_TILE + t] = value;
    }
}

/* One window position further: pixels, and the phase that the next one lies in. */
inline void fk_next_tap(int* at, int* phase, const int dilation, const int stride) {
    *phase += dilation;
    while (*phase >= stride) {
        *phase -= stride;
        ++*at;
    }
}

/* A vector of outputs from lane `from` on; `column` of `wide` is where it begins in row `line` of the output, ow long. */
inline void fk_store_row(const fk_conv2d_shape s, fk_vec sum, const int line, int column, const int from, const int wide,
                         const int ow, __global const float* residual, __global float* y) {
    size_t to = (size_t)line * ow + column;
    if (from == 0 && column + FK_LANES <= ow) {
        if (residual != 0) {
            sum += FK_LOAD(residual + to);
        }
        FK_STORE(fk_activate_vec(sum, s.activation, s.alpha), y + to);
        return;
    }
    float value[FK_LANES];
    FK_STORE(sum, value);
    for (int lane = 0; lane < FK_LANES; ++lane, ++column, ++to) {
        if (column == wide) {
            column = 0;
            to -= wide - ow;
        }
        if (lane >= from && column < ow) {
            y[to] = fk_activate(residual != 0 ? value[lane] + residual[to] : value[lane], s.activation, s.alpha);
        }
    }
}

/* x [n, ic, phases_h, phases_w, th, tw]: as it came (one phase), or from conv2d_take.
 * rows x cols positions an image, cols >= FK_LANES: oh x ow; or one row that goes through rows of the output, `wide` positions
 * for each, of which ow are outputs (1 x (oh ow) with wide = ow = oh ow for 1 x 1 windows over whole images). */
__kernel __attribute__((vec_type_hint(fk_vec))) void
conv2d_direct(const fk_conv2d_shape s, const int rows, const int cols, const int wide, const int ow, const int phases_h,
              const int phases_w, const int th, const int tw, __global const float* restrict x,
              __global const float* restrict packed, __global const float* residual, __global float* y) {
    const int ic = s.ic / s.groups;
    const int filters = s.oc / s.groups;
    const int blocks = FK_CEIL_DIV(filters, FK_TILE);
    const int i = (int)get_global_id(1);
    const size_t block = get_global_id(2) % ((size_t)blocks * s.groups);
    const size_t image = get_global_id(2) / ((size_t)blocks * s.groups);
    const int group = (int)(block / blocks);
    const int first = (int)(block % blocks) * FK_TILE;
#if FK_INTERLEAVE
    const int step = (int)get_local_size(0) * FK_LANES;
    const int j = (int)get_group_id(0) * step * FK_VECS + (int)get_local_id(0) * FK_LANES;
#else
    const int step = FK_LANES;
    const int j = (int)get_global_id(0) * (FK_LANES * FK_VECS);
#endif
    if (i >= rows || j >= cols || image >= (size_t)s.n) {
        return;
    }
    const int phase = th * tw; /* pixels of one */
    const size_t plane = (size_t)phases_h * phases_w * phase;
    x += (image * s.ic + (size_t)group * ic) * plane + (size_t)i * tw;
    packed += block * (1 + (size_t)ic * s.kh * s.kw) * FK_TILE;

    /* A vector that reaches past the row begins earlier: its first lanes are those of others and are not stored. */
    int at[FK_VECS];
    fk_vec sum[FK_TILE][FK_VECS];
#pragma unroll
    for (int v = 0; v < FK_VECS; ++v) {
        at[v] = min(j + v * step, cols - FK_LANES);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            sum[t][v] = (fk_vec)(packed[t]);
        }
    }
    for (int c = 0; c < ic; ++c, x += plane) {
        int row = 0;
        int phase_h = 0;
        for (int p = 0; p < s.kh; ++p) {
            __global const float* line = x + (size_t)phase_h * phases_w * phase + (size_t)row * tw;
            int column = 0;
            int phase_w = 0;
            for (int q = 0; q < s.kw; ++q) {
                packed += FK_TILE;
                fk_vec pixel[FK_VECS];
#pragma unroll
                for (int v = 0; v < FK_VECS; ++v) {
                    pixel[v] = FK_LOAD(line + phase_w * phase + column + at[v]);
                }
#pragma unroll
                for (int t = 0; t < FK_TILE; ++t) {
                    const fk_vec weight = (fk_vec)(packed[t]);
#pragma unroll
                    for (int v = 0; v < FK_VECS; ++v) {
                        sum[t][v] = FK_FMA(pixel[v], weight, sum[t][v]);
                    }
                }
                fk_next_tap(&column, &phase_w, s.dilation_w, s.stride_w);
            }
            fk_next_tap(&row, &phase_h, s.dilation_h, s.stride_h);
        }
    }

    /* Through memory, so that the activations stand once in the program and not for every sum. */
    float value[FK_TILE * FK_VECS][FK_LANES];
#pragma unroll
    for (int k = 0; k < FK_TILE * FK_VECS; ++k) {
        FK_STORE(sum[k / FK_VECS][k % FK_VECS], value[k]);
    }
    const size_t pixels = (size_t)s.oh * s.ow;
    const size_t base = (image * s.oc + (size_t)group * filters + first) * pixels + (size_t)i * ow;
    const int filters_here = min(FK_TILE, filters - first);
    for (int v = 0; v < FK_VECS && j + v * step < cols; ++v) {
        const int begin = min(j + v * step, cols - FK_LANES);
        for (int t = 0; t < filters_here; ++t) {
            const size_t to = base + t * pixels;
            fk_store_row(s, FK_LOAD(value[t * FK_VECS + v]), begin / wide, begin % wide, j + v * step - begin, wide, ow,
                         residual != 0 ? residual + to : residual, y + to);
        }
    }
}
