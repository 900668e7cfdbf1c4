/* What the device kernels on bytes share: steps of four bytes into sums, and sums into bytes (src/cpp/ops/requantize_leaf.hpp).
 *
 * FK_DOT says how four bytes are multiplied with the weights of 16 filters: 1, by the integer dot product
 * (cl_khr_integer_dot_product); 0, by multiplications of 32 bits. Sums are unsigned, since one may pass beyond 32 bits on its
 * way to one within.
 */
#ifndef FK_INT8_H
#define FK_INT8_H

#pragma OPENCL FP_CONTRACT OFF
#include "fk_common.h"

#include "fk_int8_shapes.h"

#define FK_BLOCK 16
#ifndef FK_DOT
#define FK_DOT 0
#endif
#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif

/* Block `at` of an array of blocks of 16 bytes or 16 words: one move, since blocks stand on multiples of their size. vload16 and
 * vstore16, which are for any place, become 16 moves of one element on a GPU. */
#define FK_BYTES_AT(at, from) (((__global const uchar16*)(from))[at])
#define FK_PUT_BYTES(bytes, at, to) (((__global uchar16*)(to))[at] = (bytes))
#define FK_WORDS_AT(at, from) (((__global const uint16*)(from))[at])

/* sums[t] += the four bytes of x[t] times the weights of a step, 16 words of four signed bytes. */
void fk_step(__global const uint* w, const uint* x, uint16* sums) {
#if FK_DOT
    const uint16 weights = FK_WORDS_AT(0, w);
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
#define FK_ONE(lane) sums[t].s##lane += as_uint(dot_4x8packed_us_int(x[t], weights.s##lane))
        FK_ONE(0);
        FK_ONE(1);
        FK_ONE(2);
        FK_ONE(3);
        FK_ONE(4);
        FK_ONE(5);
        FK_ONE(6);
        FK_ONE(7);
        FK_ONE(8);
        FK_ONE(9);
        FK_ONE(a);
        FK_ONE(b);
        FK_ONE(c);
        FK_ONE(d);
        FK_ONE(e);
        FK_ONE(f);
#undef FK_ONE
    }
#else
    const int16 weights = as_int16(FK_WORDS_AT(0, w));
    for (int byte = 0; byte < 4; ++byte) {
        const uint16 one = as_uint16((weights << (24 - 8 * byte)) >> 24);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            sums[t] += one * (uint16)((x[t] >> (8 * byte)) & 255u);
        }
    }
#endif
}

/* Weights as whole numbers in [-128, 127], kept as floats by whom they come from -> step `step` of a filter's lane. */
void fk_put_weight(__global uint* w, const size_t step, const int lane, const float4 four) {
    w[step * FK_BLOCK + lane] = as_uint(convert_char4(four));
}

/* What 16 filters begin with, and what becomes of their sums: 3 x 16 numbers of 32 bits side by side. */
void fk_put_channel(__global uint* channels, const size_t block, const int lane, const uint start, const float multiplier,
                    const float offset) {
    __global uint* to = channels + block * 3 * FK_BLOCK + lane;
    to[0] = start;
    to[FK_BLOCK] = as_uint(multiplier);
    to[2 * FK_BLOCK] = as_uint(offset);
}
uint16 fk_start(__global const uint* channels, const size_t block) { return FK_WORDS_AT(3 * block, channels); }
float16 fk_scaled(const uint16 sums, __global const uint* channels, const size_t block) {
    const float16 multiplier = as_float16(FK_WORDS_AT(3 * block + 1, channels));
    const float16 offset = as_float16(FK_WORDS_AT(3 * block + 2, channels));
    const float16 scaled = convert_float16(as_int16(sums)) * multiplier;
    return scaled + offset;
}

/* As the processor's: NaN becomes `low`. */
float16 fk_clip(float16 v, const float low, const float high) {
    v = select((float16)(low), v, v > (float16)(low));
    return select((float16)(high), v, v < (float16)(high));
}
uchar16 fk_bytes(const float16 v, const float low, const float high) { return convert_uchar16(rint(fk_clip(v, low, high))); }

#endif
