// Viola-Jones cascade: a window slides over an image pyramid and is rejected by the first stage whose vote is too low.
//
//   vote(stage) = sum over its trees of leaf(tree, window)          window passes while vote >= threshold
//   Haar node:  (w0*S0 + w1*S1 [+ w2*S2]) / sqrt(area*sum(p^2) - sum(p)^2)  <  threshold  ? left : right
//   LBP  node:  table[code], code = eight comparisons of 3x3 neighbouring block sums with the middle one
//
// Sums come from integral images. Arithmetic is float32 for a node and float64 for a vote, in the order written
// above and without fused multiply-adds, so that every kernel row decides alike to the last bit, and alike with
// the cascade classifier that made this file format common.
//
// Sources: Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001;
// Lienhart and Maydt (tilted features), ICIP 2002; Zhang et al. (block LBP), ICB 2007.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/cascade/leaf.hpp"
#include "ops/op.hpp"

namespace fk::cascade {

enum class FeatureKind : std::int32_t { haar = 0, lbp = 1 };

struct Rect {
    std::int32_t x = 0, y = 0, width = 0, height = 0;
};

struct Feature {
    Rect rects[3]; // LBP: rects[0] is the upper left block of the 3x3 blocks
    float weights[3] = {0.0F, 0.0F, 0.0F};
    std::int32_t tilted = 0;
};

// A child above zero is a node of the same tree, otherwise leaf number -child of the same tree.
struct Node {
    std::int32_t feature = 0;
    float threshold = 0.0F; // Haar
    std::int32_t table = 0; // LBP: first of 256 floats (stump) or of 256 zero/one flags (1: left)
    std::int32_t left = 0, right = 0;
};

struct Tree {
    std::int32_t first_node = 0, node_count = 0, first_leaf = 0, leaf_count = 0;
};

struct Stage {
    std::int32_t first_tree = 0, tree_count = 0;
    float threshold = 0.0F;
};

struct Cascade {
    FeatureKind kind = FeatureKind::haar;
    std::int32_t window_width = 0, window_height = 0;
    bool cumulative = false; // the vote is carried from stage to stage instead of starting at zero
    std::vector<Feature> features;
    std::vector<Node> nodes;
    std::vector<float> leaves;
    std::vector<float> tables; // LBP
    std::vector<Tree> trees;
    std::vector<Stage> stages;

    // Judges every count, index and rectangle; throws ModelError naming the first fault.
    void validate() const;
    [[nodiscard]] bool all_stumps() const noexcept;
    [[nodiscard]] bool any_tilted() const noexcept;
};

struct Params {
    double scale_factor = 1.1;
    std::int32_t min_width = 0, min_height = 0;
    std::int32_t max_width = 0, max_height = 0; // 0: the image
    std::int32_t step = 0;                      // 0: two pixels of the level below scale 2, then one
};

struct Hit {
    Rect box;
    std::int32_t level = 0, level_x = 0, level_y = 0;
    double vote = 0.0; // of the last stage
};

struct Image {
    const std::uint8_t* pixels = nullptr;
    std::int64_t stride_bytes = 0;
    std::int32_t width = 0, height = 0;
};

// The pyramid that Params ask for on an image of this size.
std::vector<float> scales(const Cascade& cascade, const Params& params, std::int32_t width, std::int32_t height);

// What every window costs before the first stage looks at it; how far the stages go depends on the picture.
Cost cost(const Cascade& cascade, const Params& params, std::int32_t width, std::int32_t height);

// The leaves of the row that the calling thread's choice admits.
Leaves choose_leaves(const Cascade& cascade);

// Every window that passes all stages, in the order level, y, x. Reads nothing that changes: one cascade serves any
// number of threads.
std::vector<Hit> scan(const Cascade& cascade, const Params& params, const Image& image, const Leaves& leaves);

// Merges boxes that lie on each other; a group needs more than `threshold` members. Counts get the members.
void group_rectangles(std::vector<Rect>& boxes, std::int32_t threshold, double epsilon, std::vector<std::int32_t>& counts,
                      std::vector<double>& votes);

} // namespace fk::cascade
