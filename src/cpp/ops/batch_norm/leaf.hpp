// What a batch-norm kernel is given: some channels of one image. On blocks: one plane of B channels side by side. On block 1:
// all channels, plane behind plane.
#pragma once

#include <stdint.h>

namespace fk {

struct BatchNormLeaf {
    const float* x;
    const float* scale; // [channels]
    const float* shift; // [channels]
    float* y;           // may be x
    int channels;
    int64_t pixels; // of a channel
    int activation;
    float alpha;
};

using BatchNormKernel = void (*)(const BatchNormLeaf&);

} // namespace fk
