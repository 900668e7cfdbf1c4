/* Grey pictures; the formula stands in src/cpp/ops/gray/gray.hpp. rgb [height, width, channels], gray [height, width], dense.
 *
 * gray_pixels  one work item for four neighbouring pixels: their 12 or 16 bytes are one load of a vector
 */
#include "fk_gray.h"

uint fk_luma(const uint red, const uint green, const uint blue) {
    return (FK_GRAY_RED * red + FK_GRAY_GREEN * green + FK_GRAY_BLUE * blue + FK_GRAY_HALF) >> FK_GRAY_BITS;
}

__kernel void gray_pixels(const fk_gray_shape s, __global const uchar* restrict rgb, __global uchar* restrict gray) {
    const size_t pixels = (size_t)s.height * s.width;
    const size_t first = (size_t)get_global_id(0) * 4;
    if (first >= pixels) {
        return;
    }
    rgb += first * s.channels;
    gray += first;
    if (first + 4 > pixels) {
        for (size_t i = 0; first + i < pixels; ++i, rgb += s.channels) {
            gray[i] = (uchar)fk_luma(rgb[0], rgb[1], rgb[2]);
        }
        return;
    }
    uint4 red, green, blue;
    if (s.channels == 3) {
        const uint8 low = convert_uint8(vload8(0, rgb));
        const uint4 high = convert_uint4(vload4(2, rgb));
        red = (uint4)(low.s0, low.s3, low.s6, high.s1);
        green = (uint4)(low.s1, low.s4, low.s7, high.s2);
        blue = (uint4)(low.s2, low.s5, high.s0, high.s3);
    } else {
        const uint16 all = convert_uint16(vload16(0, rgb));
        red = all.s048c;
        green = all.s159d;
        blue = all.s26ae;
    }
    const uint4 sum = (uint)FK_GRAY_RED * red + (uint)FK_GRAY_GREEN * green + (uint)FK_GRAY_BLUE * blue + (uint)FK_GRAY_HALF;
    vstore4(convert_uchar4(sum >> (uint)FK_GRAY_BITS), 0, gray);
}
