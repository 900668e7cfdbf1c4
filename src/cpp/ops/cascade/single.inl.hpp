// Stages for one window at a time. A gather costs about one load a lane however few lanes are wanted (Zen 4: 24 cycles
// for 16), so the few windows that do not fill a vector are better looked at one by one.
#pragma once

#include "ops/cascade/leaf.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

using cascade::FlatNode;
using cascade::FlatStage;
using cascade::FlatTree;
using cascade::Program;
using cascade::Strip;

// Unsigned: sums are taken modulo 2^32.
FK_INLINE int32_t rectangle_at(const int32_t* window, const int32_t* c) {
    return static_cast<int32_t>(static_cast<uint32_t>(window[c[0]]) - static_cast<uint32_t>(window[c[1]]) -
                                static_cast<uint32_t>(window[c[2]]) + static_cast<uint32_t>(window[c[3]]));
}

FK_INLINE bool haar_left(const FlatNode& n, const Strip& s, int32_t at, float norm) {
    const int32_t* window = ((n.tilted != 0) ? s.tilted : s.sum) + at;
    float value = n.weights[0] * static_cast<float>(rectangle_at(window, n.corners)) +
                  n.weights[1] * static_cast<float>(rectangle_at(window, n.corners + 4));
    if (n.rects == 3) {
        value += n.weights[2] * static_cast<float>(rectangle_at(window, n.corners + 8));
    }
    return value * norm < n.threshold;
}

FK_INLINE int32_t code_at(const FlatNode& n, const int32_t* window) {
    constexpr int around[8] = {0, 1, 2, 6, 10, 9, 8, 4}; // clockwise from the upper left
    int32_t grid[16];
    for (int i = 0; i < 16; ++i) {
        grid[i] = window[n.corners[i]];
    }
    const auto cell = [&grid](int i) { return grid[i] - grid[i + 1] - grid[i + 4] + grid[i + 5]; };
    const int32_t middle = cell(5);
    int32_t code = 0;
    for (const int i : around) {
        code = code * 2 + (cell(i) >= middle ? 1 : 0);
    }
    return code;
}

FK_INLINE float single_tree(const Program& p, const FlatTree& t, const Strip& s, int32_t at, float norm) {
    int32_t i = 0;
    do {
        const FlatNode& n = p.nodes[t.first_node + i];
        const bool left = (p.lbp != 0) ? p.tables[n.table + code_at(n, s.sum + at)] > 0.5F : haar_left(n, s, at, norm);
        i = left ? n.left : n.right;
    } while (i > 0);
    return p.leaves[t.first_leaf - i];
}

// The vote after the stage, from `vote` before it.
double single_vote(const Program& p, const Strip& s, const FlatStage& stage, int32_t at, float norm, double vote) {
    const int32_t end = stage.first_tree + stage.tree_count;
    for (int32_t i = stage.first_tree; i < end; ++i) {
        if (p.stumps == 0) {
            vote += static_cast<double>(single_tree(p, p.trees[i], s, at, norm));
            continue;
        }
        const FlatNode& n = p.nodes[i];
        if (p.lbp != 0) {
            vote += static_cast<double>(p.tables[n.table + code_at(n, s.sum + at)]);
        } else {
            vote += static_cast<double>(haar_left(n, s, at, norm) ? n.left_value : n.right_value);
        }
    }
    return vote;
}

} // namespace
} // namespace fk::FK_ISA
