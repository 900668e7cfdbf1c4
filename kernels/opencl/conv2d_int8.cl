/* Convolution on bytes; the formula stands in src/cpp/ops/conv2d_int8/conv2d_int8.hpp. Bytes are in blocks of 16 channels.
 *
 * conv2d_int8_pack      weights -> [block of 16 filters][step], a step being four channels of a tap; channels first in blocks
 *                       of 16, then taps, then fours. Groups that do not fill blocks are one group with weights 0 across.
 * conv2d_int8_channels  what sums begin with, multipliers, offsets
 * conv2d_int8_pad       copies the part of the image that windows reach, zero points around it
 * conv2d_int8_direct    one work item for FK_TILE pixels times 16 filters, sums in registers
 *
 * Build options: FK_DOT (fk_int8.h), FK_TILE, FK_INTERLEAVE as in conv2d.cl.
 */
#include "fk_int8.h"

/* Groups, as the kernels see them. */
int groups_of(const fk_conv2d_int8_shape* s) {
    return s->ic / s->groups % FK_BLOCK == 0 && s->oc / s->groups % FK_BLOCK == 0 ? s->groups : 1;
}

__kernel void conv2d_int8_pack(const fk_conv2d_int8_shape s, __global const float* restrict w, __global uint* restrict packed) {
    const int groups = groups_of(&s);
    const int filters = s.oc / groups;
    const int channels = s.ic / groups;
    const int filter_blocks = FK_CEIL_DIV(filters, FK_BLOCK);
    const int taps = s.kh * s.kw;
    const int fours = FK_CEIL_DIV(channels, 4);
    const int lane = (int)get_global_id(0);
    const int step = (int)get_global_id(1);
    const size_t block = get_global_id(2);
    if (lane >= FK_BLOCK || step >= taps * fours || block >= (size_t)groups * filter_blocks) {
        return;
    }
    const int channel_block = step / (4 * taps);
    const int inside = step - channel_block * 4 * taps;
    const int fours_here = min(4, fours - 4 * channel_block);
    const int tap = inside / fours_here;
    const int first = channel_block * FK_BLOCK + inside % fours_here * 4; /* channel of the group, as the kernels see it */
    const int filter = (int)(block % filter_blocks) * FK_BLOCK + lane;
    const size_t o = block / filter_blocks * filters + filter;
    const int stored = s.ic / s.groups; /* channels of a filter */
    float four[4];
    for (int i = 0; i < 4; ++i) {
        const int c = first + i - (groups == 1 ? (int)(o / (s.oc / s.groups)) * stored : 0);
        four[i] = filter < filters && c >= 0 && c < stored ? w[(o * stored + c) * taps + tap] : 0.0f;
    }
    fk_put_weight(packed, block * taps * fours + step, lane, vload4(0, four));
}

__kernel void conv2d_int8_channels(const fk_conv2d_int8_shape s, __global const float* restrict w,
                                   __global const float* restrict multiplier, __global const float* restrict offset,
                                   __global uint* restrict channels) {
    const int groups = groups_of(&s);
    const int filters = s.oc / groups;
    const int filter_blocks = FK_CEIL_DIV(filters, FK_BLOCK);
    const int lane = (int)get_global_id(0);
    const size_t block = get_global_id(1);
    if (lane >= FK_BLOCK || block >= (size_t)groups * filter_blocks) {
        return;
    }
    const int filter = (int)(block % filter_blocks) * FK_BLOCK + lane;
    if (filter >= filters) {
        fk_put_channel(channels, block, lane, 0, 0.0f, 0.0f);
        return;
    }
    const size_t o = block / filter_blocks * filters + filter;
    const int terms = s.ic / s.groups * s.kh * s.kw;
    int sum = 0;
    for (int i = 0; i < terms; ++i) {
        sum += convert_int(w[o * terms + i]);
    }
    fk_put_channel(channels, block, lane, as_uint(-sum * s.zero_point), multiplier[o], offset[o]);
}

/* x [n blocks][ih][iw] -> padded [n blocks][xh][xw], pixels of 16 bytes. */
__kernel void conv2d_int8_pad(const fk_conv2d_int8_shape s, const int xh, const int xw, __global const uint4* restrict x,
                              __global uint4* restrict padded) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const size_t plane = get_global_id(2);
    if (i >= xh || j >= xw || plane >= (size_t)s.n * FK_CEIL_DIV(s.ic, FK_BLOCK)) {
        return;
    }
    const int row = i - s.pad_top;
    const int column = j - s.pad_left;
    const bool inside = row >= 0 && row < s.ih && column >= 0 && column < s.iw;
    const uint zero = (uint)s.zero_point * 0x01010101u;
    padded[(plane * xh + i) * xw + j] = inside ? x[(plane * s.ih + row) * s.iw + column] : (uint4)(zero);
}

/* x [n, blocks of channels, xh, xw, 16]; residual like y, or null. y [n, blocks of filters, oh, ow, 16]. */
__kernel __attribute__((vec_type_hint(int16))) void
conv2d_int8_direct(const fk_conv2d_int8_shape s, const int xh, const int xw, __global const uint4* restrict x,
                   __global const uint* restrict packed, __global const uint* restrict channels,
                   __global const uchar* restrict residual, __global uchar* restrict y) {
    const int groups = groups_of(&s);
    const int filter_blocks = FK_CEIL_DIV(s.oc / groups, FK_BLOCK);
    const int fours = FK_CEIL_DIV(s.ic / groups, 4);
    const int channel_blocks = FK_CEIL_DIV(fours, 4);
    const int taps = s.kh * s.kw;
    const int pixels = s.oh * s.ow;
    const size_t block = get_global_id(1);
    const size_t image = get_global_id(2);
#if FK_INTERLEAVE
    const int step = (int)get_local_size(0);
    const int first = (int)get_group_id(0) * step * FK_TILE + (int)get_local_id(0);
#else
    const int step = 1;
    const int first = (int)get_global_id(0) * FK_TILE;
#endif
    if (first >= pixels || block >= (size_t)groups * filter_blocks || image >= (size_t)s.n) {
        return;
    }
    x += (image * groups + block / filter_blocks) * channel_blocks * xh * xw;
    packed += block * taps * fours * FK_BLOCK;

    /* A tile that reaches past the image computes its last pixel again and does not store it. */
    int at[FK_TILE];
    uint16 sums[FK_TILE];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const int pixel = min(first + t * step, pixels - 1);
        at[t] = pixel / s.ow * s.stride_h * xw + pixel % s.ow * s.stride_w;
        sums[t] = fk_start(channels, block);
    }
    for (int b = 0; b < channel_blocks; ++b, x += (size_t)xh * xw) {
        const int words = min(4, fours - 4 * b);
        for (int p = 0; p < s.kh; ++p) {
            __global const uint4* tap = x + (size_t)p * s.dilation_h * xw;
            for (int q = 0; q < s.kw; ++q, tap += s.dilation_w) {
                uint4 pixel[FK_TILE];
#pragma unroll
                for (int t = 0; t < FK_TILE; ++t) {
                    pixel[t] = tap[at[t]];
                }
#pragma unroll
                for (int word = 0; word < 4; ++word) {
                    if (word < words) {
                        uint four[FK_TILE];
#pragma unroll
                        for (int t = 0; t < FK_TILE; ++t) {
                            four[t] = word == 0 ? pixel[t].s0 : word == 1 ? pixel[t].s1 : word == 2 ? pixel[t].s2 : pixel[t].s3;
                        }
                        fk_step(packed, four, sums);
                        packed += FK_BLOCK;
                    }
                }
            }
        }
    }

    const size_t plane = (image * groups * filter_blocks + block) * pixels;
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        const int pixel = first + t * step;
        if (pixel < pixels) {
            float16 v = fk_scaled(sums[t], channels, block);
            if (residual != 0) {
                const float16 other = convert_float16(FK_BYTES_AT(plane + pixel, residual)) * (float16)(s.residual_multiplier);
                v = v + other;
            }
            FK_PUT_BYTES(fk_bytes(v, s.low, s.high), plane + pixel, y);
        }
    }
}
