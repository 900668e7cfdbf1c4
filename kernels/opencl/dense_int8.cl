/* Fully connected layer on bytes; the formula stands in src/cpp/ops/dense_int8/dense_int8.hpp.
 *
 * dense_int8_pack      weights -> [block of 16 outputs][step], a step being four bytes of x's row as it stands in memory
 * dense_int8_channels  what sums begin with, multipliers, offsets
 * dense_int8_direct    one work group for FK_TILE rows of x times 16 outputs; its items share out the steps, and what they sum is
 *                      added at the end: whole numbers, in any order
 *
 * Build options: FK_DOT (fk_int8.h), FK_TILE, FK_SPLIT: the most items of a group.
 */
#include "fk_int8.h"

#ifndef FK_SPLIT
#define FK_SPLIT 1
#endif

__kernel void dense_int8_pack(const fk_dense_int8_shape s, __global const float* restrict w, __global uint* restrict packed) {
    const int lane = (int)get_global_id(0);
    const int step = (int)get_global_id(1);
    const size_t block = get_global_id(2);
    const int steps = FK_CEIL_DIV(s.channels, FK_BLOCK) * s.pixels * 4;
    if (lane >= FK_BLOCK || step >= steps || block >= (size_t)FK_CEIL_DIV(s.out, FK_BLOCK)) {
        return;
    }
    const size_t o = block * FK_BLOCK + lane;
    const int pixel = step / 4 % s.pixels;
    const int first = step / 4 / s.pixels * FK_BLOCK + step % 4 * 4; /* channel */
    float four[4];
    for (int i = 0; i < 4; ++i) {
        const int c = first + i;
        four[i] = o < (size_t)s.out && c < s.channels ? w[(o * s.channels + c) * s.pixels + pixel] : 0.0f;
    }
    fk_put_weight(packed, block * steps + step, lane, vload4(0, four));
}

__kernel void dense_int8_channels(const fk_dense_int8_shape s, __global const float* restrict w,
                                  __global const float* restrict multiplier, __global const float* restrict offset,
                                  __global uint* restrict channels) {
    const int lane = (int)get_global_id(0);
    const size_t block = get_global_id(1);
    if (lane >= FK_BLOCK || block >= (size_t)FK_CEIL_DIV(s.out, FK_BLOCK)) {
        return;
    }
    const size_t o = block * FK_BLOCK + lane;
    if (o >= (size_t)s.out) {
        fk_put_channel(channels, block, lane, 0, 0.0f, 0.0f);
        return;
    }
    const int in = s.channels * s.pixels;
    int sum = 0;
    for (int i = 0; i < in; ++i) {
        sum += convert_int(w[o * in + i]);
    }
    fk_put_channel(channels, block, lane, as_uint(-sum * s.zero_point), multiplier[o], offset[o]);
}

/* x [n, blocks of channels, pixels, 16]; y as bytes [n, blocks of outputs, 16], or as floats [n, out]. */
__kernel __attribute__((vec_type_hint(int16))) void
dense_int8_direct(const fk_dense_int8_shape s, __global const uint* restrict x, __global const uint* restrict packed,
                  __global const uint* restrict channels, __global void* restrict y) {
#if FK_SPLIT > 1
    __local uint16 shared[FK_SPLIT];
#endif
    const int item = (int)get_local_id(0);
    const int items = (int)get_local_size(0);
    const size_t block = get_global_id(1);
    const int first = (int)get_global_id(2) * FK_TILE;
    const int steps = FK_CEIL_DIV(s.channels, FK_BLOCK) * s.pixels * 4;
    packed += block * steps * FK_BLOCK;

    /* A tile that reaches past the last row computes that again and does not store it. */
    uint16 sums[FK_TILE];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        sums[t] = (uint16)(0);
    }
    for (int k = item; k < steps; k += items) {
        uint four[FK_TILE];
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            four[t] = x[(size_t)min(first + t, s.n - 1) * steps + k];
        }
        fk_step(packed + (size_t)k * FK_BLOCK, four, sums);
    }
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        uint16 sum = sums[t];
#if FK_SPLIT > 1
        shared[item] = sum;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item == 0) {
            for (int other = 1; other < items; ++other) {
                sum += shared[other];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
        if (item == 0 && first + t < s.n) {
            const float16 v = fk_scaled(sum + fk_start(channels, block), channels, block);
            if (s.floats == 0) {
                const size_t at = (size_t)(first + t) * FK_CEIL_DIV(s.out, FK_BLOCK) + block;
                FK_PUT_BYTES(fk_bytes(v, s.low, s.high), at, y);
            } else {
                float values[FK_BLOCK];
                vstore16(fk_clip(v, s.low, s.high), 0, values);
                for (int lane = 0; lane < min(FK_BLOCK, s.out - (int)block * FK_BLOCK); ++lane) {
                    ((__global float*)y)[(size_t)(first + t) * s.out + block * FK_BLOCK + lane] = values[lane];
                }
            }
        }
    }
}
