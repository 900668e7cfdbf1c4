// What a kernel that samples along a flow field is given: one row of the result. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

constexpr float flow_unknown = 1e9F; // motions beyond this, and those that are no number, are unknown

struct FlowWarpLeaf {
    const void* x;
    int is_float;                      // float32 else uint8
    int64_t x_row, x_pixel, x_channel; // strides, elements
    int height, width, channels;
    int replicate; // beyond the border: the nearest pixel, else `fill`, which is also what unknown motions give
    float fill;
    const float* flow; // (u, v) of each pixel of row `row`
    int row;
    void* y; // width * channels
};

using FlowWarpKernel = void (*)(const FlowWarpLeaf&);

} // namespace fk
