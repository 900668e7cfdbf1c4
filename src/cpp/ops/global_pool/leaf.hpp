// What a global pooling kernel is given: one plane of B channels, x [pixels][B]; it writes the first `lanes` results to y.
#pragma once

#include <stdint.h>

namespace fk {

enum GlobalPoolKind { global_pool_max, global_pool_average };

struct GlobalPoolLeaf {
    const float* x;
    float* y;
    int64_t pixels;
    int lanes;
    int kind;
};

using GlobalPoolKernel = void (*)(const GlobalPoolLeaf&);

} // namespace fk
