// What a conv2d_int8 kernel is given: a band of output rows of one image and one group. Plain data.
#pragma once

#include <stdint.h>

#include "ops/requantize_leaf.hpp"

namespace fk {

// The sum runs over steps; a step is four neighbouring bytes of x, at `offsets[step]` from the first byte of the output's
// window, times four weights a channel. In blocked channels [c / 16][h][w][16] the four are channels; in a planar image
// [c][h][w] they are columns of the window. Padding, where there is any, is already in x as its zero point.
// Weights: [groups of `group` blocks of 16 output channels, the last of what is left][step][group][16][4] int8, or, where
// the kernel multiplies pairs, [group ...][step][2][group][16][2] int16 (simd/dot.hpp).
struct Conv2dInt8Leaf {
    const uint8_t* x;
    const int32_t* offsets; // [steps]
    const void* w;
    const int32_t* start; // [oc_blocks][16]: what sums begin with
    RequantizeLeaf requantize;
    const uint8_t* residual; // like y; may be null
    uint8_t* y;
    int64_t x_row, x_pixel; // bytes from an output's window to that below and beside it
    int64_t y_row, y_block; // y's pixel step is 16
    int rows, ow;
    int steps, oc_blocks, group;
};

using Conv2dInt8Kernel = void (*)(const Conv2dInt8Leaf&);

} // namespace fk
