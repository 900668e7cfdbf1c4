// What a reorder kernel is given: one block of channels of one image. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

// Plain: channel k at k * plane. Blocked: pixel p at p * step, with B channels, the row's block.
struct ReorderLeaf {
    const float* x;
    float* y;
    int64_t pixels, plane, step;
    int channels; // of the block that there are, 0..B
    int block;    // B
};

struct ReorderKernel {
    void (*to_blocked)(const ReorderLeaf&); // lanes past `channels` become 0
    void (*from_blocked)(const ReorderLeaf&);
};

} // namespace fk
