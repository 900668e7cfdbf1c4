// What a pool_int8 kernel is given: a band of output rows of one plane of 16 channels, x [ih][iw][16], y [oh][ow][16].
#pragma once

#include <stdint.h>

namespace fk {

struct PoolInt8Leaf {
    const uint8_t* x;
    uint8_t* y;
    int begin, end; // output rows
    int ih, iw, ow;
    int kh, kw, stride_h, stride_w, pad_top, pad_left;
    int average, count_include_pad;
    int x_zero;          // zero point of x
    float ratio, y_zero; // scale of x over that of y; zero point of y
};

using PoolInt8Kernel = void (*)(const PoolInt8Leaf&);

} // namespace fk
