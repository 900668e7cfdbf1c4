// What a pooling kernel is given: a band of output rows of one plane of B channels, x [ih][iw][B], y [oh][ow][B].
#pragma once

#include <stdint.h>

#include "ops/pool_window_leaf.hpp"

namespace fk {

struct PoolLeaf {
    const float* x;
    float* y;
    int begin, end; // output rows
    PoolWindow window;
    int kind;
    int count_include_pad;
};

using PoolKernel = void (*)(const PoolLeaf&);

} // namespace fk
