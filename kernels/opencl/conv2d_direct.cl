/* Convolution in register tiles: one work item computes FK_TILE filters times FK_VECS vectors of FK_LANES neighbouring pixels,
 * all sums in registers: a vector of pixels is loaded once for FK_TILE filters, a weight once for all pixels. With 1 x 1 windows
 * it is the product of the weights and the image as a matrix [channels][pixels].
 *
 * The loops hold no test of the image's border and no strides: conv2d_take has put the zeros around the image before and set
 * pixels that windows step over apart, where there are any, and conv2d_pack has laid out the weights so that they are read in
 * order. vec_type_hint keeps a CPU's compiler from taking the vectors apart to make its own from neighbouring work items.
 *
 * On the way (Zen 4, two cores, Intel's runtime, 64 -> 256 filters of 1 x 1 on 56 x 56, 232 GFLOP/s at most): vectors of 16
 * filters times 12 pixels 105 GFLOP/s, whose stores are 16 planes apart; vectors of pixels 150; the place of a vector in the
 * output divided out once for all filters 171 to 181.
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
