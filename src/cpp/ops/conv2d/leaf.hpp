// What a conv2d kernel is given: a band of output rows of one image and one group. Plain data.
#pragma once

#include <stdint.h>

#include "fk_shapes.h"

namespace fk {

// Channels stand in blocks of B (the row's `block`): an image is [channels / B][h][w][B]. The input is either blocked
// (channel_step 1, pixel_step B) or planar NCHW (channel_step h * w, pixel_step 1); padding, where there is any, is
// already in it as zeros, so x points at the window of the first output pixel. Strides count floats.
// Weights: [oc / B][ic / B][kh][kw][channels in the block][B], the last channel block shortened to what is left.
struct Conv2dLeaf {
    const float* x;
    const float* w;
    const float* bias;     // [oc / B][B], never null
    const float* residual; // like y, added before the activation; may be null
    float* y;
    int64_t x_row, x_block, channel_step, pixel_step;
    int64_t y_row, y_block; // y's pixel step is B
    int rows, ow;
    int ic, oc_blocks;
    int kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    int activation;
    float alpha;
};

using Conv2dKernel = void (*)(const Conv2dLeaf&);

} // namespace fk
