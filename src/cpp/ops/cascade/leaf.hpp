// The flat form of a cascade that kernels work on, and the five leaves that one row of kernels.inc provides.
// Plain data, no library: instruction-set files include this header.
#pragma once

#include <stdint.h>

#include "fk_cascade.h"

namespace fk::cascade {

constexpr int32_t max_tree_nodes = 64;

using FlatNode = fk_cascade_node;
using FlatTree = fk_cascade_tree;
using FlatStage = fk_cascade_stage;

struct Program {
    int32_t lbp, stumps, cumulative;
    int32_t stage_count;
    const FlatStage* stages;
    const FlatTree* trees;
    const FlatNode* nodes; // of a stump cascade: nodes[i] belongs to trees[i]
    const float* leaves;
    const float* tables;
    int32_t max_nodes; // in one tree
    int32_t norm[4];   // Haar: corners of the rectangle whose variance normalises
    double area;       // Haar: of that rectangle
};

// Integral images of a strip of rows, laid out so that neighbouring windows stand next to each other:
// window i of a row reads its corners at sum[i + corner].
struct Strip {
    const int32_t* sum;
    const uint32_t* square_sum;
    const int32_t* tilted;
    int32_t stride; // elements from one window row to the next
};

// Windows that are still in. `offset` is the window's origin in the strip.
struct Survivors {
    int32_t* offset;
    int32_t* stage; // the stage to run next
    float* norm;
    double* vote;
};

struct ResizeTap {     // four neighbouring outputs of the horizontal pass
    int32_t first;     // source byte at which the 16-byte window starts
    uint8_t pick[16];  // bytes of it: (left, zero, right, zero) for each output
    int16_t weight[8]; // (left, right) for each output, in 1/256
};

struct Leaves {
    // out[i] = sum of the two picked pixels by weight; `taps` holds (count + 3) / 4 entries.
    void (*resize_row)(const uint8_t* row, const ResizeTap* taps, int32_t count, int32_t* out);
    // out[i] = (upper[i]*w0 + lower[i]*w1 + 2^15) >> 16
    void (*blend_rows)(const int32_t* upper, const int32_t* lower, int32_t w0, int32_t w1, int32_t count, uint8_t* out);
    // One row of the sum (and, unless null, of the sum of squares) under the row above. half > 0: columns are
    // stored even ones first, odd ones from `half` on.
    void (*integral_row)(const uint8_t* pixels, int32_t count, int32_t half, const int32_t* sum_above, int32_t* sum,
                         const uint32_t* square_above, uint32_t* square);
    // First stages for `count` neighbouring windows from `origin` on; appends survivors, returns how many.
    int32_t (*scan_row)(const Program& program, const Strip& strip, int32_t origin, int32_t count, const Survivors& out);
    // One stage for the listed windows, in place; returns how many stay.
    int32_t (*run_stage)(const Program& program, const Strip& strip, int32_t stage, int32_t count, const Survivors& list);
};

// A row's function fills in its leaves.
using Provider = void (*)(Leaves&);

} // namespace fk::cascade
