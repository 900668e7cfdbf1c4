/* Convolution of signs; the formulas stand in src/cpp/ops/binary/binary.hpp, the bits in its leaf.hpp. Sums are whole numbers
 * and the same on every device; what follows them is rounded operation by operation, as on the processor.
 *
 * binary_pack, binary_place   signs of x as words [n, xh, xw, words], with the zeros (bits 0) that windows reach around them
 * binary_filters              words [oc, kh, kw, words] -> [block of FK_LANES filters][kh kw words][FK_LANES], and the number
 *                             of bits 1 of each tap: where a window reaches past the image, exactly those differ there
 * binary_direct               one work item for FK_TILE pixels times FK_LANES filters, counts in registers; numbers out
 * binary_direct_signs         the same for FK_TILE pixels times 32 filters; one word a pixel out
 * binary_reference(_signs)    one work item for each number (word), the plain loops: the meaning of the op on a device
 * binary_magnitude, _scale    K of XNOR-Net's equation 11
 *
 * Build options: FK_LANES 1, 2, 4, 8, 16; FK_TILE; FK_INTERLEAVE 1: neighbouring work items take neighbouring pixels (a GPU),
 * 0: a work item's pixels are neighbours (a CPU); FK_FP64 1: the device has double precision.
 */
#pragma OPENCL FP_CONTRACT OFF
#include "fk_common.h"

#include "fk_binary.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif
#ifndef FK_FP64
#define FK_FP64 0
#endif

#if FK_LANES == 1
typedef uint fk_uvec;
typedef int fk_ivec;
#define FK_TO_FLOAT(value) convert_float(value)
#define FK_TO_INT(value) ((int)(value))
#else
typedef FK_JOIN(uint, FK_LANES) fk_uvec;
typedef FK_JOIN(int, FK_LANES) fk_ivec;
#define FK_TO_FLOAT(value) FK_JOIN(convert_float, FK_LANES)(value)
#define FK_TO_INT(value) FK_JOIN(convert_int, FK_LANES)(value)
#endif

int words_of(const int channels) { return (channels + 31) / 32; }

/* Bits of a pixel's word that are channels. */
uint channel_mask(const int channels, const int word) {
    const int left = channels - 32 * word;
    return left >= 32 ? ~0u : (1u << left) - 1u;
}

/* 1 for a value below 0. Judged by its bits: devices may take the smallest numbers for 0. */
uint is_negative(const float x) {
    const uint bits = as_uint(x);
    return bits > 0x80000000u && bits <= 0xff800000u ? 1u : 0u;
}

/* Taps [begin, end) of a window that lie inside the image, along one axis. */
int2 taps_inside(const int first, const int size, const int in) {
    const int begin = clamp(-first, 0, size);
    return (int2)(begin, clamp(in - first, begin, size));
}

/* x [n, c, ih, iw], or [pixels, c] where channels stand side by side, -> bits [n, xh, xw, words]. */
__kernel void binary_pack(const fk_binary_shape s, const int xh, const int xw, const int channels_last,
                          __global const float* restrict x, __global uint* restrict bits) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const int words = words_of(s.c);
    const int word = (int)(get_global_id(2) % words);
    const size_t image = get_global_id(2) / words;
    if (i >= xh || j >= xw || image >= (size_t)s.n) {
        return;
    }
    const int row = i - s.pad_top;
    const int column = j - s.pad_left;
    uint packed = 0;
    if (row >= 0 && row < s.ih && column >= 0 && column < s.iw) {
        const size_t pixels = (size_t)s.ih * s.iw;
        const size_t pixel = (size_t)row * s.iw + column;
        const size_t step = channels_last ? 1 : pixels;
        const int first = 32 * word;
        x += image * s.c * pixels + (channels_last ? pixel * s.c : pixel) + first * step;
        for (int bit = 0; bit < min(32, s.c - first); ++bit) {
            packed |= is_negative(x[bit * step]) << bit;
        }
    }
    bits[((image * xh + i) * xw + j) * words + word] = packed;
}

/* x as bits [n, ih, iw, words], where words may hold anything past the last channel, -> bits [n, xh, xw, words]. */
__kernel void binary_place(const fk_binary_shape s, const int xh, const int xw, __global const uint* restrict x,
                           __global uint* restrict bits) {
    const int words = words_of(s.c);
    const int at = (int)get_global_id(0); /* of a row: pixel * words + word */
    const int i = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    if (i >= xh || at >= xw * words || image >= (size_t)s.n) {
        return;
    }
    const int row = i - s.pad_top;
    const int column = at / words - s.pad_left;
    const int word = at % words;
    const bool inside = row >= 0 && row < s.ih && column >= 0 && column < s.iw;
    bits[(image * xh + i) * xw * words + at] =
        inside ? x[((image * s.ih + row) * s.iw + column) * words + word] & channel_mask(s.c, word) : 0;
}

/* Filters past the last have bits 0. ones: [block][kh kw][FK_LANES]. */
__kernel void binary_filters(const fk_binary_shape s, __global const uint* restrict w, __global uint* restrict packed,
                             __global int* restrict ones) {
    const int words = words_of(s.c);
    const int taps = s.kh * s.kw;
    const int tap = (int)get_global_id(0);
    const size_t block = get_global_id(1);
    if (tap >= taps || block >= (size_t)FK_CEIL_DIV(s.oc, FK_LANES)) {
        return;
    }
    const size_t at = block * taps + tap;
    for (int lane = 0; lane < FK_LANES; ++lane) {
        const size_t o = block * FK_LANES + lane;
        uint count = 0;
        for (int word = 0; word < words; ++word) {
            const uint bits = o < (size_t)s.oc ? w[(o * taps + tap) * words + word] & channel_mask(s.c, word) : 0;
            packed[(at * words + word) * FK_LANES + lane] = bits;
            count += popcount(bits);
        }
        ones[at * FK_LANES + lane] = (int)count;
    }
}

/* Sums of signs of FK_LANES filters for a tile of pixels of one image. */
void tile_sums(const fk_binary_shape* s, const int xw, const int first, const int step, __global const uint* x,
               __global const uint* packed, __global const int* ones, fk_ivec* sums) {
    const int words = words_of(s->c);
    const int row_words = s->kw * words;
    const int pixels = s->oh * s->ow;
    int at[FK_TILE];
    fk_uvec differing[FK_TILE];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const int pixel = min(first + t * step, pixels - 1); /* the last again, and not stored */
        at[t] = (pixel / s->ow * s->stride_h * xw + pixel % s->ow * s->stride_w) * words;
        differing[t] = (fk_uvec)(0);
    }
    for (int p = 0; p < s->kh; ++p, x += (size_t)xw * words) {
        for (int k = 0; k < row_words; ++k, packed += FK_LANES) {
            const fk_uvec weight = FK_LOAD(packed);
#pragma unroll
            for (int t = 0; t < FK_TILE; ++t) {
                differing[t] += popcount((fk_uvec)(x[at[t] + k]) ^ weight);
            }
        }
    }
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const int pixel = min(first + t * step, pixels - 1);
        const int2 rows = taps_inside(pixel / s->ow * s->stride_h - s->pad_top, s->kh, s->ih);
        const int2 columns = taps_inside(pixel % s->ow * s->stride_w - s->pad_left, s->kw, s->iw);
        const int inside = (rows.y - rows.x) * (columns.y - columns.x);
        fk_ivec offset = (fk_ivec)(inside * s->c);
        if (inside < s->kh * s->kw) {
            for (int p = 0; p < s->kh; ++p) {
                for (int q = 0; q < s->kw; ++q) {
                    if (p < rows.x || p >= rows.y || q < columns.x || q >= columns.y) {
                        offset += 2 * FK_LOAD(ones + (p * s->kw + q) * FK_LANES);
                    }
                }
            }
        }
        sums[t] = offset - 2 * FK_TO_INT(differing[t]);
    }
}

#if FK_INTERLEAVE
#define FK_STEP ((int)get_local_size(0))
#define FK_FIRST ((int)get_group_id(0) * FK_STEP * FK_TILE + (int)get_local_id(0))
#else
#define FK_STEP 1
#define FK_FIRST ((int)get_global_id(0) * FK_TILE)
#endif

/* x [n, xh, xw, words]; alpha [oc]; bias [oc] or null; scale [n, oh, ow] or null. y [n, oc, oh, ow], or [oh, oc] with
 * channels_last. */
__kernel __attribute__((vec_type_hint(fk_ivec))) void
binary_direct(const fk_binary_shape s, const int xh, const int xw, __global const uint* restrict x,
              __global const uint* restrict packed, __global const int* restrict ones, __global const float* restrict alpha,
              __global const float* restrict bias, __global const float* restrict scale, const int activation, const float slope,
              const int channels_last, __global float* restrict y) {
    const int pixels = s.oh * s.ow;
    const int step = FK_STEP;
    const int first = FK_FIRST;
    const size_t block = get_global_id(1);
    const size_t image = get_global_id(2);
    if (first >= pixels || block >= (size_t)FK_CEIL_DIV(s.oc, FK_LANES) || image >= (size_t)s.n) {
        return;
    }
    const size_t taps = (size_t)s.kh * s.kw;
    fk_ivec sums[FK_TILE];
    tile_sums(&s, xw, first, step, x + image * xh * xw * words_of(s.c), packed + block * taps * words_of(s.c) * FK_LANES,
              ones + block * taps * FK_LANES, sums);

    const int o = (int)block * FK_LANES;
    const int lanes = min(FK_LANES, s.oc - o);
    float alphas[FK_LANES], biases[FK_LANES];
    for (int lane = 0; lane < FK_LANES; ++lane) {
        alphas[lane] = lane < lanes ? alpha[o + lane] : 0.0f;
        biases[lane] = lane < lanes && bias != 0 ? bias[o + lane] : 0.0f;
    }
    const size_t filter_step = channels_last ? 1 : pixels;
    const size_t pixel_step = channels_last ? s.oc : 1;
    y += image * s.oc * pixels + o * filter_step;
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const int pixel = first + t * step;
        if (pixel < pixels) {
            fk_vec value = FK_TO_FLOAT(sums[t]) * FK_LOAD(alphas);
            if (scale != 0) {
                value = value * (fk_vec)(scale[image * pixels + pixel]);
            }
            float values[FK_LANES];
            FK_STORE(fk_activate_vec(value + FK_LOAD(biases), activation, slope), values);
            for (int lane = 0; lane < lanes; ++lane) {
                y[pixel * pixel_step + lane * filter_step] = values[lane];
            }
        }
    }
}

/* bits [n, oh, ow, words of oc]: 1 where direction * sum < at_least. */
__kernel __attribute__((vec_type_hint(fk_ivec))) void
binary_direct_signs(const fk_binary_shape s, const int xh, const int xw, __global const uint* restrict x,
                    __global const uint* restrict packed, __global const int* restrict ones,
                    __global const int* restrict at_least, __global const int* restrict direction, __global uint* restrict bits) {
    const int pixels = s.oh * s.ow;
    const int step = FK_STEP;
    const int first = FK_FIRST;
    const int out_words = words_of(s.oc);
    const size_t word = get_global_id(1);
    const size_t image = get_global_id(2);
    if (first >= pixels || word >= (size_t)out_words || image >= (size_t)s.n) {
        return;
    }
    const size_t taps = (size_t)s.kh * s.kw;
    uint negative[FK_TILE];
    for (int t = 0; t < FK_TILE; ++t) {
        negative[t] = 0;
    }
    x += image * xh * xw * words_of(s.c);
    for (int o = (int)word * 32; o < min(s.oc, (int)word * 32 + 32); o += FK_LANES) {
        const size_t block = o / FK_LANES;
        fk_ivec sums[FK_TILE];
        tile_sums(&s, xw, first, step, x, packed + block * taps * words_of(s.c) * FK_LANES, ones + block * taps * FK_LANES, sums);
        for (int t = 0; t < FK_TILE; ++t) {
            int sum[FK_LANES];
            FK_STORE(sums[t], sum);
            for (int lane = 0; lane < min(FK_LANES, s.oc - o); ++lane) {
                negative[t] |= (direction[o + lane] * sum[lane] < at_least[o + lane] ? 1u : 0u) << (o + lane) % 32;
            }
        }
    }
    for (int t = 0; t < FK_TILE; ++t) {
        if (first + t * step < pixels) {
            bits[(image * pixels + first + t * step) * out_words + word] = negative[t];
        }
    }
}

/* The sum of signs over the taps inside the image. x [n, xh, xw, words], w [oc, kh, kw, words]. */
int plain_sum(const fk_binary_shape* s, const int xw, const int filter, const int pixel, __global const uint* x,
              __global const uint* w) {
    const int words = words_of(s->c);
    const int top = pixel / s->ow * s->stride_h;
    const int left = pixel % s->ow * s->stride_w;
    int sum = 0;
    for (int p = 0; p < s->kh; ++p) {
        for (int q = 0; q < s->kw; ++q) {
            const int row = top + p - s->pad_top;
            const int column = left + q - s->pad_left;
            if (row >= 0 && row < s->ih && column >= 0 && column < s->iw) {
                __global const uint* there = x + ((size_t)(top + p) * xw + left + q) * words;
                __global const uint* tap = w + (((size_t)filter * s->kh + p) * s->kw + q) * words;
                for (int word = 0; word < words; ++word) {
                    const uint mask = channel_mask(s->c, word);
                    sum += (int)popcount(mask) - 2 * (int)popcount((there[word] ^ tap[word]) & mask);
                }
            }
        }
    }
    return sum;
}

__kernel void binary_reference(const fk_binary_shape s, const int xh, const int xw, __global const uint* restrict x,
                               __global const uint* restrict w, __global const float* restrict alpha,
                               __global const float* restrict bias, __global const float* restrict scale, const int activation,
                               const float slope, const int channels_last, __global float* restrict y) {
    const int pixel = (int)get_global_id(0);
    const int filter = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    const int pixels = s.oh * s.ow;
    if (pixel >= pixels || filter >= s.oc || image >= (size_t)s.n) {
        return;
    }
    const int sum = plain_sum(&s, xw, filter, pixel, x + image * xh * xw * words_of(s.c), w);
    float value = convert_float(sum) * alpha[filter];
    if (scale != 0) {
        value = value * scale[image * pixels + pixel];
    }
    value = fk_activate(value + (bias != 0 ? bias[filter] : 0.0f), activation, slope);
    const size_t at = channels_last ? (size_t)pixel * s.oc + filter : (size_t)filter * pixels + pixel;
    y[image * s.oc * pixels + at] = value;
}

__kernel void binary_reference_signs(const fk_binary_shape s, const int xh, const int xw, __global const uint* restrict x,
                                     __global const uint* restrict w, __global const int* restrict at_least,
                                     __global const int* restrict direction, __global uint* restrict bits) {
    const int pixel = (int)get_global_id(0);
    const int word = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    const int pixels = s.oh * s.ow;
    const int out_words = words_of(s.oc);
    if (pixel >= pixels || word >= out_words || image >= (size_t)s.n) {
        return;
    }
    x += image * xh * xw * words_of(s.c);
    uint negative = 0;
    for (int filter = 32 * word; filter < min(s.oc, 32 * word + 32); ++filter) {
        const int sum = plain_sum(&s, xw, filter, pixel, x, w);
        negative |= (direction[filter] * sum < at_least[filter] ? 1u : 0u) << filter % 32;
    }
    bits[(image * pixels + pixel) * out_words + word] = negative;
}

/* A of XNOR-Net: sums over the channels, in their order. x [n, c, ih, iw] -> [n, ih, iw]. */
__kernel void binary_magnitude(const fk_binary_shape s, __global const float* restrict x, __global float* restrict sums) {
    const size_t pixels = (size_t)s.ih * s.iw;
    const size_t pixel = get_global_id(0);
    const size_t image = get_global_id(1);
    if (pixel >= pixels || image >= (size_t)s.n) {
        return;
    }
    x += image * s.c * pixels + pixel;
    float sum = 0.0f;
    for (int c = 0; c < s.c; ++c) {
        sum += fabs(x[c * pixels]);
    }
    sums[image * pixels + pixel] = sum;
}

/* K: their mean over c kh kw, zeros outside. In double precision; where a device has none, in two floats, within 1 ulp. */
__kernel void binary_scale(const fk_binary_shape s, __global const float* restrict sums, __global float* restrict scale) {
    const int pixel = (int)get_global_id(0);
    const size_t image = get_global_id(1);
    if (pixel >= s.oh * s.ow || image >= (size_t)s.n) {
        return;
    }
    const int top = pixel / s.ow * s.stride_h - s.pad_top;
    const int left = pixel % s.ow * s.stride_w - s.pad_left;
    sums += image * s.ih * s.iw;
#if FK_FP64
    double sum = 0.0;
#else
    float sum = 0.0f;
    float low = 0.0f;
#endif
    for (int p = max(top, 0); p < min(top + s.kh, s.ih); ++p) {
        for (int q = max(left, 0); q < min(left + s.kw, s.iw); ++q) {
            const float next = sums[(size_t)p * s.iw + q];
#if FK_FP64
            sum += (double)next;
#else
            /* What a sum loses, exactly (Knuth's two-sum). */
            const float whole = sum + next;
            const float back = whole - sum;
            low += (sum - (whole - back)) + (next - back);
            sum = whole;
#endif
        }
    }
#if FK_FP64
    const float mean = (float)(sum / ((double)s.c * s.kh * s.kw));
#else
    const float terms = (float)s.c * s.kh * s.kw;
    const float quotient = sum / terms;
    const float mean = quotient + (fma(-quotient, terms, sum) + low) / terms;
#endif
    scale[image * s.oh * s.ow + pixel] = mean;
}
