/* Between float32 [n, channels, pixels] and bytes in blocks of 16 channels; the formulas stand in
 * src/cpp/ops/quantize/quantize.hpp. One work item for a pixel of 16 channels. */
#include "fk_int8.h"

/* Channels past the last are the zero point. */
__kernel void quantize(const fk_quantize_shape s, __global const float* restrict x, __global uchar* restrict y) {
    const size_t pixel = get_global_id(0);
    const int block = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    const int blocks = FK_CEIL_DIV(s.channels, FK_BLOCK);
    if (pixel >= (size_t)s.pixels || block >= blocks || image >= (size_t)s.n) {
        return;
    }
    const int lanes = min(FK_BLOCK, s.channels - block * FK_BLOCK);
    x += (image * s.channels + block * FK_BLOCK) * s.pixels + pixel;
    float values[FK_BLOCK];
    for (int lane = 0; lane < FK_BLOCK; ++lane) {
        values[lane] = lane < lanes ? x[(size_t)lane * s.pixels] : 0.0f;
    }
    const float16 scaled = vload16(0, values) * (float16)(s.inverse);
    const uchar16 bytes = fk_bytes(scaled + (float16)((float)s.zero_point), 0.0f, 255.0f);
    FK_PUT_BYTES(bytes, (image * blocks + block) * s.pixels + pixel, y);
}

__kernel void dequantize(const fk_quantize_shape s, __global const uchar* restrict x, __global float* restrict y) {
    const size_t pixel = get_global_id(0);
    const int block = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    const int blocks = FK_CEIL_DIV(s.channels, FK_BLOCK);
    if (pixel >= (size_t)s.pixels || block >= blocks || image >= (size_t)s.n) {
        return;
    }
    const int16 bytes = convert_int16(FK_BYTES_AT((image * blocks + block) * s.pixels + pixel, x));
    float values[FK_BLOCK];
    vstore16(convert_float16(bytes - s.zero_point) * (float16)(s.scale), 0, values);
    y += (image * s.channels + block * FK_BLOCK) * s.pixels + pixel;
    for (int lane = 0; lane < min(FK_BLOCK, s.channels - block * FK_BLOCK); ++lane) {
        y[(size_t)lane * s.pixels] = values[lane];
    }
}
