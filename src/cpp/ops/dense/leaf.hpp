// What a dense kernel is given: some rows of x and one group of outputs.
#pragma once

#include <stdint.h>

namespace fk {

// A group is up to dense_group vectors of outputs whose weights stand together as one stream: [in][vectors][B].
constexpr int dense_group = 8;

struct DenseLeaf {
    const float* x;
    const float* w;      // or, of kernels that take the weights as they are given, [out][in]
    const uint16_t* w16; // not null: the weights, as the upper halves of floats (bfloat16), instead of w
    const float* bias;   // [vectors][B], never null
    float* y;
    int64_t ldx, ldy;
    int rows, in;
    int out;     // outputs of this group
    int vectors; // ceil(out / B)
    int activation;
    float alpha;
};

using DenseKernel = void (*)(const DenseLeaf&);

} // namespace fk
