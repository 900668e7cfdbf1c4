// What an integral kernel is given: a whole picture. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

// Row 0 and column 0 of the outputs are zero already; `square` may be null.
struct IntegralLeaf {
    const uint8_t* pixels;
    int64_t stride_bytes;
    int32_t height, width;
    int32_t* sum;
    int64_t* square;
};

using IntegralKernel = void (*)(const IntegralLeaf&);

} // namespace fk
