// What a pooling kernel is given: a band of output rows of one plane of B channels, x [ih][iw][B], y [oh][ow][B].
#pragma once

#include <stdint.h>

namespace fk {

enum PoolKind { pool_max, pool_average, pool_l2 };

struct PoolLeaf {
    const float* x;
    float* y;
    int begin, end; // output rows
    int ih, iw, ow;
    int kh, kw, stride_h, stride_w, pad_top, pad_left;
    int kind;
    int count_include_pad;
};

using PoolKernel = void (*)(const PoolLeaf&);

} // namespace fk
