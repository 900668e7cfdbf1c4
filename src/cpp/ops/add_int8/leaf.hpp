// What an add_int8 kernel is given: a run of bytes.
#pragma once

#include <stdint.h>

namespace fk {

struct AddInt8Leaf {
    const uint8_t* a;
    const uint8_t* b;
    uint8_t* y;
    int64_t count; // a multiple of 16
    float a_factor, b_factor, offset;
    float low, high;
};

using AddInt8Kernel = void (*)(const AddInt8Leaf&);

} // namespace fk
