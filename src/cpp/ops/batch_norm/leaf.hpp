// What a batch-norm kernel is given: a run of pixels of one plane of B channels.
#pragma once

#include <stdint.h>

namespace fk {

struct BatchNormLeaf {
    const float* x;
    const float* scale; // [B]
    const float* shift; // [B]
    float* y;           // may be x
    int64_t pixels;
    int activation;
    float alpha;
};

using BatchNormKernel = void (*)(const BatchNormLeaf&);

} // namespace fk
