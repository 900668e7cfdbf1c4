// What a softmax kernel is given: some rows, x and y [rows][n], dense.
#pragma once

#include <stdint.h>

namespace fk {

struct SoftmaxLeaf {
    const float* x;
    float* y; // may be x
    int64_t rows, n;
};

using SoftmaxKernel = void (*)(const SoftmaxLeaf&);

} // namespace fk
