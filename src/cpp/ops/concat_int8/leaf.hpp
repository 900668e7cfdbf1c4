// What a concat_int8 kernel is given: one piece of one image, and where its channels begin in the result.
#pragma once

#include <stdint.h>

namespace fk {

struct ConcatInt8Leaf {
    const uint8_t* x; // [ceil(channels / 16)][pixels][16]
    uint8_t* y;       // the image of the result, in the same order
    int64_t pixels;
    int channels, first; // of the piece; its first channel in the result
};

using ConcatInt8Kernel = void (*)(const ConcatInt8Leaf&);

} // namespace fk
