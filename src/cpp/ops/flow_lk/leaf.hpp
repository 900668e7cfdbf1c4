// What a tracking kernel is given: one point on one level of the pyramids. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

enum { flow_largest_window = 255 };

// A level: the rectangle [x0, x1) x [y0, y1) of a picture of width x height pixels stands in memory.
struct FlowImage {
    const void* pixels; // of (x0, y0)
    int64_t row;        // elements from a row to the next
    int width, height;
    int x0, y0, x1, y1;
    int readable; // columns up to this may be read, whatever they hold
};

enum FlowOutcome {
    flow_tracked,
    flow_flat,    // the smaller eigenvalue is below the threshold
    flow_outside, // a window lies wholly outside its picture, or a position is no number
    flow_unbuilt, // a window needs pixels that do not stand
};

struct FlowLeaf {
    FlowImage from, to;
    int is_float; // float32 else uint8
    int window;   // pixels along a side
    int iterations;
    float epsilon;
    float min_eigenvalue;
    int measure; // whether to measure the residual
    float x, y;  // the point in `from`
    float* scratch;
};

struct FlowState {
    float x, y;     // in: the first guess in `to`; out: the last estimate
    float residual; // mean absolute difference of the two windows
    int iterations; // counted on
};

using FlowKernel = int (*)(const FlowLeaf&, FlowState&);

// Floats from a row of a scratch picture to the next: whole vectors for window + 3 columns, and one more.
static constexpr int flow_stride(int window) { return (window + 3 + 15) / 16 * 16 + 16; }
// Pixels and a patch of them (window + 3 rows each), two gradients (window + 1), three windows, a row of weights.
static constexpr int64_t flow_scratch(int window) {
    return static_cast<int64_t>(flow_stride(window)) * (2 * (window + 3) + 2 * (window + 1) + 3 * window + 1);
}

// A position outside [0, n) mirrored back at the outermost pixel's centre.
static inline int flow_reflect(int i, int n) {
    while (i < 0 || i >= n) {
        i = n == 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

static inline int flow_floor(float v) {
    const int whole = static_cast<int>(v);
    return whole - (static_cast<float>(whole) > v ? 1 : 0);
}

// Whether a window with its first pixel at (x, y) touches the picture; false for what is no number.
static inline bool flow_touches(const FlowImage& image, float x, float y, int window) {
    const auto w = static_cast<float>(window);
    return x >= -w && y >= -w && x < static_cast<float>(image.width) && y < static_cast<float>(image.height);
}

} // namespace fk
