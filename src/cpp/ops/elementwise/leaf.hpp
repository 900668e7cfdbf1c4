// What an elementwise kernel is given: a run of numbers.
#pragma once

#include <stdint.h>

namespace fk {

struct ElementwiseLeaf {
    const float* a;
    const float* b; // may be null
    float* y;       // may be a or b
    int64_t count;
    int activation;
    float alpha;
};

using ElementwiseKernel = void (*)(const ElementwiseLeaf&);

} // namespace fk
