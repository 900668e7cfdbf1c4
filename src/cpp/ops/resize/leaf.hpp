// What a resize kernel is given: one output row, or a piece of one. Plain data.
#pragma once

#include <stdint.h>

#include "fk_resize.h"

namespace fk {

// Taps of an output along one axis: source pixels first, first + 1, ..., first + count - 1 with weights
// head, 1, ..., 1, tail (head alone where count is 1). Both methods fit this form.
struct ResizeLeaf {
    const void* x; // first source row of the output row, first source pixel of the piece
    int is_float;  // float32 else uint8
    int channels;
    int64_t x_row, x_pixel, x_channel; // strides, counted in elements
    int rows;                          // vertical taps
    float row_head, row_tail;
    int span;            // elements (pixels * channels) of the piece's source
    float* sums;         // span floats of scratch
    const int32_t* tap;  // per output element: its first source element ...
    int32_t tap_origin;  // ... counted from the piece's begin after subtracting this
    const int32_t* taps; // per output element: count
    const float* head;
    const float* tail;
    int most_taps; // largest count
    int outputs;   // output elements of the piece
    float divisor; // the sums are divided by it: the box's area
    void* y;
};

using ResizeKernel = void (*)(const ResizeLeaf&);

enum { resize_partial = FK_RESIZE_PARTIAL };

} // namespace fk
