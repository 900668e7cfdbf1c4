/* A register tile of a convolution whose lanes are pixels (conv2d_direct.cl, conv2d_bands.cl). Build options: FK_TILE filters,
 * FK_VECS vectors of FK_LANES pixels; FK_POINTWISE 1: for windows of 1 x 1, whose loops took as long as their sums. */
#ifndef FK_DIRECT_H
#define FK_DIRECT_H

#include "fk_common.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_VECS
#define FK_VECS 1
#endif
#ifndef FK_POINTWISE
#define FK_POINTWISE 0
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
static inline void fk_next_tap(int* at, int* phase, const int dilation, const int stride) {
    *phase += dilation;
    while (*phase >= stride) {
        *phase -= stride;
        ++*at;
    }
}

/* Bias and sums are there; what is common to all outputs of a layer comes first, since the functions are long. */
static inline fk_vec fk_finish(const fk_vec sum, const fk_conv2d_shape s) {
    if (s.activation == FK_ACTIVATION_NONE) {
        return sum;
    }
    return fk_activate_vec(sum, s.activation, s.alpha);
}

/* Where positions lie in the output: `wide` of them for each line, of which `outputs` are outputs, lines `pitch` apart; position
 * 0 is in column `start`. */
typedef struct fk_lines {
    int wide;
    int outputs;
    int start;
    size_t pitch;
} fk_lines;

/* `count` neighbouring floats. */
static inline void fk_store_few(const float* from, const int count, __global float* to) {
    int j = 0;
#if FK_LANES > 4
    for (; j + 4 <= count; j += 4) {
        vstore4(vload4(0, from + j), 0, to + j);
    }
#endif
    for (; j < count; ++j) {
        to[j] = from[j];
    }
}

/* A vector of outputs from lane `from` on, where it is not whole: it begins in `column` of a line, to which residual and y point.
 */
static inline void fk_store_part(const fk_conv2d_shape s, const fk_lines lines, const fk_vec sum, int column, const int from,
                                 __global const float* residual, __global float* y) {
    float value[FK_LANES];
    FK_STORE(sum, value);
    /* The first time round the residual is added, then all that is there is stored. */
    for (int stored = residual == 0; stored < 2; ++stored) {
        if (stored) {
            FK_STORE(fk_finish(FK_LOAD(value), s), value);
        }
        size_t line = 0;
        int at = column + from;
        for (int lane = from; lane < FK_LANES;) {
            for (; at >= lines.wide; at -= lines.wide) {
                line += lines.pitch;
            }
            const int here = min(FK_LANES - lane, lines.wide - at);
            const int count = min(here, lines.outputs - at);
            if (stored) {
                fk_store_few(value + lane, count, y + line + at);
            } else {
                for (int j = 0; j < count; ++j) {
                    value[lane + j] += residual[line + at + j];
                }
            }
            lane += here;
            at += here;
        }
    }
}

/* Outputs j, j + step, ... of a row of `cols` positions, FK_LANES at least, times FK_TILE filters, `filters_here` of which exist.
 * x: the row below them, in phases of th x tw pixels; base: the place of the row's first line in y and residual. */
static inline void fk_direct_tile(const fk_conv2d_shape s, const int j, const int step, const int cols, const fk_lines lines,
                                  const int phases_h, const int phases_w, const int th, const int tw,
                                  __global const float* restrict x, __global const float* restrict packed, const int filters_here,
                                  const size_t base, __global const float* residual, __global float* y) {
    const int ic = s.ic / s.groups;
    const int kh = FK_POINTWISE ? 1 : s.kh;
    const int kw = FK_POINTWISE ? 1 : s.kw;
    const int phase = th * tw; /* pixels of one */
    const size_t plane = (size_t)phases_h * phases_w * phase;
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
        for (int p = 0; p < kh; ++p) {
            __global const float* line = x + (size_t)phase_h * phases_w * phase + (size_t)row * tw;
            int column = 0;
            int phase_w = 0;
            for (int q = 0; q < kw; ++q) {
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
#if !FK_POINTWISE
                fk_next_tap(&column, &phase_w, s.dilation_w, s.stride_w);
#endif
            }
#if !FK_POINTWISE
            fk_next_tap(&row, &phase_h, s.dilation_h, s.stride_h);
#endif
        }
    }

    const size_t pixels = (size_t)s.oh * s.ow;
    if (residual == 0 && s.activation <= FK_ACTIVATION_RELU && filters_here == FK_TILE) {
        /* Nearly every layer: straight from the registers, where a vector is whole. */
        const float least = s.activation == FK_ACTIVATION_RELU ? 0.0f : -INFINITY;
        bool whole = true;
#pragma unroll
        for (int v = 0; v < FK_VECS; ++v) {
            whole = whole && at[v] == j + v * step && (lines.start + at[v]) % lines.wide + FK_LANES <= lines.outputs;
        }
        if (whole) {
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                const int place = lines.start + at[v];
                __global float* to = y + base + place / lines.wide * lines.pitch + place % lines.wide;
#pragma unroll
                for (int t = 0; t < FK_TILE; ++t, to += pixels) {
                    FK_STORE(select(sum[t][v], (fk_vec)(least), sum[t][v] < least), to);
                }
            }
            return;
        }
    }
    /* Through memory, so that the activations stand once in the program and not for every sum. */
    float value[FK_TILE * FK_VECS][FK_LANES];
#pragma unroll
    for (int k = 0; k < FK_TILE * FK_VECS; ++k) {
        FK_STORE(sum[k / FK_VECS][k % FK_VECS], value[k]);
    }
    for (int v = 0; v < FK_VECS && j + v * step < cols; ++v) {
        const int begin = min(j + v * step, cols - FK_LANES);
        const int from = j + v * step - begin;
        const int column = (lines.start + begin) % lines.wide;
        size_t to = base + (lines.start + begin) / lines.wide * lines.pitch;
        for (int t = 0; t < filters_here; ++t, to += pixels) {
            fk_vec outputs = FK_LOAD(value[t * FK_VECS + v]);
            if (from > 0 || column + FK_LANES > lines.outputs) {
                fk_store_part(s, lines, outputs, column, from, residual != 0 ? residual + to : residual, y + to);
                continue;
            }
            if (residual != 0) {
                outputs += FK_LOAD(residual + to + column);
            }
            FK_STORE(fk_finish(outputs, s), y + to + column);
        }
    }
}

#endif
