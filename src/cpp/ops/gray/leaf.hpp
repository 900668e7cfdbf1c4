// What a grey kernel is given: a run of pixels that stand side by side. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

struct GrayLeaf {
    const uint8_t* x; // pixels * channels bytes, R G B (A)
    uint8_t* y;       // pixels bytes
    int64_t pixels;
    int channels; // 3 or 4
};

using GrayKernel = void (*)(const GrayLeaf&);

// Weights of ITU-R BT.601 (0.299, 0.587, 0.114) in units of 2^-16; they sum to 65536, so white stays 255.
enum { gray_red = 19595, gray_green = 38470, gray_blue = 7471, gray_half = 32768, gray_bits = 16 };

} // namespace fk
