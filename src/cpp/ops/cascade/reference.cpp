// The meaning of the op in plain loops: one window, one pixel at a time.
#include <cmath>

#include "ops/cascade/leaf.hpp"

namespace fk::scalar {
namespace {

using cascade::FlatNode;
using cascade::FlatStage;
using cascade::FlatTree;
using cascade::Program;
using cascade::ResizeTap;
using cascade::Strip;
using cascade::Survivors;

void resize_row(const uint8_t* row, const ResizeTap* taps, int32_t count, int32_t* out) {
    for (int32_t i = 0; i < count; ++i) {
        const ResizeTap& t = taps[i / 4];
        const int32_t lane = i % 4;
        const int32_t left = row[t.first + t.pick[lane * 4]], right = row[t.first + t.pick[lane * 4 + 2]];
        out[i] = left * t.weight[lane * 2] + right * t.weight[lane * 2 + 1];
    }
}

void blend_rows(const int32_t* upper, const int32_t* lower, int32_t w0, int32_t w1, int32_t count, uint8_t* out) {
    for (int32_t i = 0; i < count; ++i) {
        out[i] = static_cast<uint8_t>((upper[i] * w0 + lower[i] * w1 + (1 << 15)) >> 16);
    }
}

// Sums are taken modulo 2^32: differences, which alone are used, come out right however large the image.
void integral_row(const uint8_t* pixels, int32_t count, int32_t half, const int32_t* sum_above, int32_t* sum,
                  const uint32_t* square_above, uint32_t* square) {
    const auto place = [half](int32_t column) { return (half > 0) ? column / 2 + (column % 2) * half : column; };
    uint32_t row = 0, square_row = 0;
    sum[0] = 0;
    if (square != nullptr) {
        square[0] = 0;
    }
    for (int32_t x = 0; x < count; ++x) {
        const int32_t at = place(x + 1);
        const uint32_t p = pixels[x];
        row += p;
        square_row += p * p;
        sum[at] = static_cast<int32_t>(static_cast<uint32_t>(sum_above[at]) + row);
        if (square != nullptr) {
            square[at] = square_above[at] + square_row;
        }
    }
}

template <class T> int32_t rectangle(const T* window, const int32_t* corners) {
    const auto at = [window](int32_t c) { return static_cast<uint32_t>(window[c]); };
    return static_cast<int32_t>(at(corners[0]) - at(corners[1]) - at(corners[2]) + at(corners[3]));
}

float haar_value(const FlatNode& n, const Strip& s, int32_t at, float norm) {
    const int32_t* window = ((n.tilted != 0) ? s.tilted : s.sum) + at;
    float value = n.weights[0] * static_cast<float>(rectangle(window, n.corners)) +
                  n.weights[1] * static_cast<float>(rectangle(window, n.corners + 4));
    if (n.rects == 3) {
        value += n.weights[2] * static_cast<float>(rectangle(window, n.corners + 8));
    }
    return value * norm;
}

int32_t lbp_code(const FlatNode& n, const Strip& s, int32_t at) {
    const auto cell = [&](int32_t i) {
        const int32_t corners[4] = {n.corners[i], n.corners[i + 1], n.corners[i + 4], n.corners[i + 5]};
        return rectangle(s.sum + at, corners);
    };
    constexpr int32_t around[8] = {0, 1, 2, 6, 10, 9, 8, 4}; // clockwise from the upper left
    const int32_t middle = cell(5);
    int32_t code = 0;
    for (const int32_t i : around) {
        code = code * 2 + ((cell(i) >= middle) ? 1 : 0);
    }
    return code;
}

float tree_value(const Program& p, const FlatTree& t, const Strip& s, int32_t at, float norm) {
    int32_t i = 0;
    do {
        const FlatNode& n = p.nodes[t.first_node + i];
        const bool left = (p.lbp != 0) ? p.tables[n.table + lbp_code(n, s, at)] > 0.5F : haar_value(n, s, at, norm) < n.threshold;
        if (p.stumps != 0 && p.lbp == 0) {
            return left ? n.left_value : n.right_value;
        }
        i = left ? n.left : n.right;
    } while (i > 0);
    return p.leaves[t.first_leaf - i];
}

bool stage_passes(const Program& p, const Strip& s, int32_t stage, int32_t at, float norm, double& vote) {
    const FlatStage& st = p.stages[stage];
    if (p.cumulative == 0) {
        vote = 0.0;
    }
    for (int32_t i = st.first_tree; i < st.first_tree + st.tree_count; ++i) {
        vote += (p.stumps != 0 && p.lbp != 0) ? p.tables[p.nodes[i].table + lbp_code(p.nodes[i], s, at)]
                                              : tree_value(p, p.trees[i], s, at, norm);
    }
    return vote >= static_cast<double>(st.threshold);
}

// False for a window without contrast.
bool contrast(const Program& p, const Strip& s, int32_t at, float& norm) {
    const double sum = rectangle(s.sum + at, p.norm);
    const auto squares = static_cast<double>(static_cast<uint32_t>(rectangle(s.square_sum + at, p.norm)));
    const double scaled = p.area * squares - sum * sum;
    norm = 1.0F;
    if (!(scaled > 0.0)) {
        return false;
    }
    norm = static_cast<float>(1.0 / std::sqrt(scaled));
    return p.area * static_cast<double>(norm) < 1e-1;
}

int32_t scan_row(const Program& p, const Strip& s, int32_t origin, int32_t count, const Survivors& out) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
        float norm = 1.0F;
        double vote = 0.0;
        if (p.lbp == 0 && !contrast(p, s, origin + i, norm)) {
            continue;
        }
        if (!stage_passes(p, s, 0, origin + i, norm, vote)) {
            ++i; // what the very first stage rejects also costs its right neighbour
            continue;
        }
        out.offset[kept] = origin + i;
        out.stage[kept] = 1;
        out.norm[kept] = norm;
        out.vote[kept] = vote;
        ++kept;
    }
    return kept;
}

int32_t run_stage(const Program& p, const Strip& s, int32_t stage, int32_t count, const Survivors& list) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
        double vote = list.vote[i];
        if (!stage_passes(p, s, stage, list.offset[i], list.norm[i], vote)) {
            continue;
        }
        list.offset[kept] = list.offset[i];
        list.norm[kept] = list.norm[i];
        list.vote[kept] = vote;
        ++kept;
    }
    return kept;
}

} // namespace

void cascade_reference(cascade::Leaves& leaves);

void cascade_reference(cascade::Leaves& leaves) { leaves = {resize_row, blend_rows, integral_row, scan_row, run_stage}; }

} // namespace fk::scalar
