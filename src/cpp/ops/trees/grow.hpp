// Grows regression trees by gradient boosting of squared error.
//
// Sample i has the residual r_i (K numbers: what its shape still lacks, in an orthonormal basis) and the weight w_i.
// A split is drawn `candidates` times: two pixels a, b of the pool with probability ~ exp(-|p_a - p_b| / reach), and as
// threshold the difference I_a - I_b of a random sample that reaches the node. Kept is the one of greatest
//
//   |sum_left w r|^2 / sum_left w  +  |sum_right w r|^2 / sum_right w.
//
// Splits are judged by a share of the samples, drawn for each tree; leaves by all:
//
//   code = round(shrinkage * sum w r / (sum w + damping) / unit), within +-127;   r -= unit * code   for its samples,
//
// so that later trees also mend what rounding did. Sums run over pieces of fixed size in fixed order: the same trees
// for every number of threads.
//
// Sources: Kazemi and Sullivan, CVPR 2014, section 2.3; Friedman, "Stochastic gradient boosting", 2002.
#pragma once

#include <cstdint>
#include <vector>

namespace fk::trees {

struct GrowParams {
    std::int64_t samples = 0;
    std::int32_t pool = 0, rank = 0;
    const std::uint8_t* pixels = nullptr; // [samples, pool]
    const float* weights = nullptr;       // [samples], above 0
    float* residuals = nullptr;           // [samples, rank], updated
    const float* positions = nullptr;     // [pool, 2]: of the pool on the mean shape
    const float* units = nullptr;         // [rank], above 0
    std::int32_t trees = 0, depth = 0, candidates = 0;
    double reach = 0.1, shrinkage = 0.1, damping = 0, share = 1;
    std::uint64_t seed = 0;
    int threads = 1;
};

struct Grown {
    std::vector<std::int32_t> pairs;      // [trees, splits]
    std::vector<std::int16_t> thresholds; // [trees, splits]
    std::vector<std::int8_t> codes;       // [trees, splits + 1, rank]
};

// Throws ValueError for numbers out of range.
Grown grow(const GrowParams& params);

} // namespace fk::trees
