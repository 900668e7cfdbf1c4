// What a lookup_int8 kernel is given: a run of bytes and what each value becomes.
#pragma once

#include <stdint.h>

namespace fk {

struct LookupInt8Leaf {
    const uint8_t* x;
    const uint8_t* table; // [256]
    uint8_t* y;
    int64_t count; // a multiple of 16
};

using LookupInt8Kernel = void (*)(const LookupInt8Leaf&);

} // namespace fk
