// What a local-response-norm kernel is given: a run of pixels of one image, all its channels.
#pragma once

#include <stdint.h>

namespace fk {

struct LocalResponseNormLeaf {
    const float* x; // block b of pixel p stands at x[b * plane + p * B]
    float* y;       // likewise
    float* line;    // squares of a pixel's channels between zeros for the window's ends; a vector may reach past the last
    int64_t line_floats;
    int64_t plane;
    int64_t pixels;
    int channels;
    int before, after;    // channels of the window besides its own
    float scale, beta, k; // scale = alpha / size
};

using LocalResponseNormKernel = void (*)(const LocalResponseNormLeaf&);

} // namespace fk
