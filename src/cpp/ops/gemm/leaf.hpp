// What a gemm kernel is given: a slice of C and the rows of A and panels of B that it needs. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

// Depth of one pass over the sum: a panel of B of that depth (32 KiB at 32 columns) is used by one strip of A after the
// other while it stands in the first- and second-level caches.
constexpr int gemm_depth = 256;
// Rows of A packed at once: 168 = 12 x 14 = 28 x 6 = 42 x 4; with that depth 168 KiB, a third of a small second-level cache.
constexpr int gemm_rows = 168;

// B is packed in panels of NR columns (the row's `block`): [n / NR][k][NR], the last one filled up with zeros.
struct GemmLeaf {
    const float* a;
    const float* b;
    const float* bias; // [n], filled up like B, never null
    float* c;
    float* packed_a; // gemm_rows * gemm_depth floats
    int64_t lda, ldc;
    int m, n; // m <= gemm_rows
    int k;
    int activation;
    float alpha;
};

using GemmKernel = void (*)(const GemmLeaf&);

} // namespace fk
