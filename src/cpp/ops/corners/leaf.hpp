// What a kernel of the smaller eigenvalue is given: a band of rows. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

enum { corners_largest_block = 31, corners_band = 16 };

struct CornersLeaf {
    const void* pixels; // of the whole picture
    int64_t row;        // elements from a row to the next
    int is_float;       // float32 else uint8
    int width, height;
    int begin, end; // rows, at most corners_band
    int block;
    float* y; // of row `begin`; rows follow each other
    float* scratch;
};

using CornersKernel = void (*)(const CornersLeaf&);

// Floats from a row of the scratch to the next: a margin of half a block on both sides, and room for whole vectors.
static constexpr int64_t corners_stride(int width) { return (width + corners_largest_block + 1 + 15) / 16 * 16 + 32; }
// Two lines of column sums; three products for a band and the rows around it; their three sums over columns.
static constexpr int64_t corners_scratch(int width, int block) {
    return corners_stride(width) * (2 + 3 * (corners_band + block - 1) + 3);
}

// A position outside [0, n) mirrored back at the outermost pixel's centre.
static inline int corners_reflect(int i, int n) {
    while (i < 0 || i >= n) {
        i = n == 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

} // namespace fk
