// What a depthwise_int8 kernel is given: a band of output rows of one plane of 16 channels. Plain data.
#pragma once

#include <stdint.h>

#include "ops/requantize_leaf.hpp"

namespace fk {

// x [..][width][16] with its padding in it as zero points; it points at the window of the band's first output.
// Weights, by the row's `quads`:
//   false: taps of the window in pairs, [pairs][16][2] int16; `offsets` [2 pairs] are bytes from a window's first pixel
//   true:  runs of four columns, [kh][runs][outputs][16][4] int8; one load of four pixels serves `outputs` (1 or 2)
//          neighbouring outputs, the second with weights that stand `stride` columns further
struct DepthwiseInt8Leaf {
    const uint8_t* x;
    const void* w;
    const int32_t* offsets;
    const int32_t* start; // [16]
    RequantizeLeaf requantize;
    uint8_t* y;
    int64_t x_row, x_pixel; // bytes from an output's window to that below and beside it
    int64_t window_row;     // bytes from a row of the window to the next
    int rows, ow;
    int pairs, kh, runs, outputs;
};

using DepthwiseInt8Kernel = void (*)(const DepthwiseInt8Leaf&);

} // namespace fk
