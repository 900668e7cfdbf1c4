/* Depthwise convolution on bytes; the formula stands in src/cpp/ops/depthwise_int8/depthwise_int8.hpp. Its shape is that of a
 * convolution with as many groups as channels.
 *
 * depthwise_int8_pack    one work item a channel: weights -> [block of 16 channels][tap][16] signed bytes; what sums begin with
 * depthwise_int8_direct  one work item for a pixel of 16 channels
 */
#include "fk_int8.h"

__kernel void depthwise_int8_pack(const fk_conv2d_int8_shape s, __global const float* restrict w,
                                  __global const float* restrict multiplier, __global const float* restrict offset,
                                  __global char* restrict packed, __global uint* restrict channels) {
    const int lane = (int)get_global_id(0);
    const size_t block = get_global_id(1);
    if (lane >= FK_BLOCK || block >= (size_t)FK_CEIL_DIV(s.oc, FK_BLOCK)) {
        return;
    }
    const int taps = s.kh * s.kw;
    const size_t c = block * FK_BLOCK + lane;
    int sum = 0;
    for (int tap = 0; tap < taps; ++tap) {
        const int value = c < (size_t)s.oc ? convert_int(w[c * taps + tap]) : 0;
        packed[(block * taps + tap) * FK_BLOCK + lane] = (char)value;
        sum += value;
    }
    if (c < (size_t)s.oc) {
        fk_put_channel(channels, block, lane, as_uint(-sum * s.zero_point), multiplier[c], offset[c]);
    } else {
        fk_put_channel(channels, block, lane, 0, 0.0f, 0.0f);
    }
}

/* x [n, blocks, ih, iw, 16], y [n, blocks, oh, ow, 16]. */
__kernel __attribute__((vec_type_hint(short16))) void
depthwise_int8_direct(const fk_conv2d_int8_shape s, __global const uchar* restrict x, __global const char* restrict packed,
                      __global const uint* restrict channels, __global uchar* restrict y) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const int blocks = FK_CEIL_DIV(s.oc, FK_BLOCK);
    const size_t plane = get_global_id(2); /* image * blocks + block */
    if (i >= s.oh || j >= s.ow || plane >= (size_t)s.n * blocks) {
        return;
    }
    const size_t block = plane % blocks;
    const short16 zero = (short16)((short)s.zero_point);
    uint16 sums = fk_start(channels, block);
    size_t tap = block * s.kh * s.kw;
    for (int p = 0; p < s.kh; ++p) {
        const int row = i * s.stride_h + p * s.dilation_h - s.pad_top;
        for (int q = 0; q < s.kw; ++q, ++tap) {
            const int column = j * s.stride_w + q * s.dilation_w - s.pad_left;
            short16 pixel = zero;
            if (row >= 0 && row < s.ih && column >= 0 && column < s.iw) {
                pixel = convert_short16(FK_BYTES_AT((plane * s.ih + row) * s.iw + column, x));
            }
            /* 255 * -128 is within 16 bits. */
            sums += as_uint16(convert_int16(pixel * convert_short16(as_char16(FK_BYTES_AT(tap, packed)))));
        }
    }
    FK_PUT_BYTES(fk_bytes(fk_scaled(sums, channels, block), s.low, s.high), (plane * s.oh + i) * s.ow + j, y);
}
