// What a concat kernel is given: some lanes of one block of channels that become lanes of another.
#pragma once

#include <stdint.h>

namespace fk {

struct ConcatLeaf {
    const float* x; // first lane of the first pixel; pixels stand B apart
    float* y;       // likewise
    int64_t pixels;
    int lanes; // 1 .. B
};

using ConcatKernel = void (*)(const ConcatLeaf&);

} // namespace fk
