// What a local-response-norm kernel is given: a run of pixels of one image, all its channels.
#pragma once

#include <stdint.h>

namespace fk {

struct LocalResponseNormLeaf {
    const float* x; // block b of pixel p stands at x[b * plane + p * B]
    float* y;       // likewise
    float* line;    // `line_floats` numbers of scratch
    int64_t plane;
    int64_t pixels;
    int channels;
    int before, after;    // channels of the window besides its own
    float scale, beta, k; // scale = alpha / size
};

// Squares of a pixel's channels between zeros for the window's ends; a vector may reach past the last.
constexpr int64_t local_response_norm_line_floats(int64_t channels, int64_t before, int64_t after) {
    return before + channels + after + 32;
}

using LocalResponseNormKernel = void (*)(const LocalResponseNormLeaf&);

} // namespace fk
