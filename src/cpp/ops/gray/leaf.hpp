// What a grey kernel is given: a run of pixels that stand side by side. Plain data.
#pragma once

#include <stdint.h>

#include "fk_gray.h"

namespace fk {

struct GrayLeaf {
    const uint8_t* x; // pixels * channels bytes, R G B (A)
    uint8_t* y;       // pixels bytes
    int64_t pixels;
    int channels; // 3 or 4
};

using GrayKernel = void (*)(const GrayLeaf&);

enum { gray_red = FK_GRAY_RED, gray_green = FK_GRAY_GREEN, gray_blue = FK_GRAY_BLUE, gray_half = FK_GRAY_HALF };
enum { gray_bits = FK_GRAY_BITS };

} // namespace fk
