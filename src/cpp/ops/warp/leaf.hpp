// What a warp kernel is given: up to 64 neighbouring outputs of one row, one channel. Plain data.
#pragma once

#include <stdint.h>

#include "fk_warp.h"

namespace fk {

enum { warp_outputs = FK_WARP_RUN };

using WarpOrigin = fk_warp_origin;

struct WarpLeaf {
    const void* x;          // the channel's first element
    int is_float;           // float32 else uint8
    int64_t x_row, x_pixel; // strides, counted in elements
    int height, width;
    int replicate; // beyond the border: the nearest pixel, else `fill`
    float fill;
    const WarpOrigin* origins; // one for each sample of an output; the result is their mean
    int samples;
    float step_x, step_y; // from one output to the next
    int outputs;          // at most warp_outputs
    void* y;
    int64_t y_step;
};

using WarpKernel = void (*)(const WarpLeaf&);

} // namespace fk
