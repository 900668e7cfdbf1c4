// Stages for a vector of windows. V is one of the dialects in vec_*.inl.hpp.
//
// Windows that stand next to each other are loaded as they lie in the integral image; windows that are left over
// here and there are gathered. A gather costs about one load a lane, so a block stays in the first form while
// at least `dense_lanes` of its windows are in, and fewer than `gather_lanes` are looked at one by one.
#pragma once

#include "ops/cascade/single.inl.hpp"

namespace fk::FK_ISA {
namespace {

using cascade::Survivors;

template <class V> struct Beside { // neighbouring windows
    const int32_t* sum;
    const int32_t* tilted;
    typename V::I at(const FlatNode& n, int32_t corner) const { return V::load(((n.tilted != 0) ? tilted : sum) + corner); }
};

template <class V> struct Listed { // windows anywhere in the strip
    const int32_t* sum;
    const int32_t* tilted;
    typename V::I offsets;
    typename V::I at(const FlatNode& n, int32_t corner) const {
        return V::gather(((n.tilted != 0) ? tilted : sum) + corner, offsets);
    }
};

template <class V, class Where> inline typename V::I block_sum(const Where& w, const FlatNode& n, const int32_t* c) {
    return V::add(V::sub(V::sub(w.at(n, c[0]), w.at(n, c[1])), w.at(n, c[2])), w.at(n, c[3]));
}

template <class V, class Where> inline typename V::F haar_value(const Where& w, const FlatNode& n, typename V::F norm) {
    typename V::F value = V::add(V::mul(V::set(n.weights[0]), V::to_float(block_sum<V>(w, n, n.corners))),
                                 V::mul(V::set(n.weights[1]), V::to_float(block_sum<V>(w, n, n.corners + 4))));
    if (n.rects == 3) {
        value = V::add(value, V::mul(V::set(n.weights[2]), V::to_float(block_sum<V>(w, n, n.corners + 8))));
    }
    return V::mul(value, norm);
}

template <class V, class Where> inline typename V::I lbp_code(const Where& w, const FlatNode& n) {
    typename V::I g[16];
    for (int i = 0; i < 16; ++i) {
        g[i] = w.at(n, n.corners[i]);
    }
    const auto cell = [&g](int i) { return V::add(V::sub(V::sub(g[i], g[i + 1]), g[i + 4]), g[i + 5]); };
    const typename V::I middle = cell(5);
    constexpr int around[8] = {0, 1, 2, 6, 10, 9, 8, 4}; // clockwise from the upper left; the first is the high bit
    typename V::I code = V::zero();
    for (int i = 0; i < 8; ++i) {
        code = V::or_if_not_less(code, cell(around[i]), middle, 128 >> i);
    }
    return code;
}

template <class V, class Where>
inline typename V::F stump(const Program& p, const Where& w, const FlatNode& n, typename V::F norm) {
    if (p.lbp != 0) {
        return V::gather(p.tables + n.table, lbp_code<V>(w, n));
    }
    return V::choose(V::less(haar_value<V>(w, n, norm), V::set(n.threshold)), V::set(n.left_value), V::set(n.right_value));
}

// A tree for all lanes at once: nodes in their order (a child stands behind its parent), each for the lanes that reach it.
template <class V, class Where>
inline typename V::F tree(const Program& p, const Where& w, const FlatTree& t, typename V::F norm) {
    typename V::M reach[cascade::max_tree_nodes];
    for (int i = 0; i < t.node_count; ++i) {
        reach[i] = (i == 0) ? V::all() : V::none();
    }
    typename V::F result = V::set(0.0F);
    for (int i = 0; i < t.node_count; ++i) {
        if (!V::any(reach[i])) {
            continue;
        }
        const FlatNode& n = p.nodes[t.first_node + i];
        const typename V::M left = (p.lbp != 0) ? V::less(V::set(0.5F), V::gather(p.tables + n.table, lbp_code<V>(w, n)))
                                                : V::less(haar_value<V>(w, n, norm), V::set(n.threshold));
        const typename V::M went_left = V::both(reach[i], left), went_right = V::first_only(reach[i], left);
        if (n.left > 0) {
            reach[n.left] = V::either(reach[n.left], went_left);
        } else {
            result = V::choose(went_left, V::set(p.leaves[t.first_leaf - n.left]), result);
        }
        if (n.right > 0) {
            reach[n.right] = V::either(reach[n.right], went_right);
        } else {
            result = V::choose(went_right, V::set(p.leaves[t.first_leaf - n.right]), result);
        }
    }
    return result;
}

// Adds the stage's trees to the vote; bit i of the result: lane i stays.
template <class V, class Where>
inline uint32_t stage_passes(const Program& p, const Where& w, int32_t stage, typename V::F norm, typename V::D& vote) {
    const FlatStage& s = p.stages[stage];
    if (p.cumulative == 0) {
        vote = V::zero_votes();
    }
    if (p.stumps != 0) {
        const FlatNode* nodes = p.nodes + s.first_tree;
        for (int32_t i = 0; i < s.tree_count; ++i) {
            vote = V::add_votes(vote, stump<V>(p, w, nodes[i], norm));
        }
    } else {
        for (int32_t i = 0; i < s.tree_count; ++i) {
            vote = V::add_votes(vote, tree<V>(p, w, p.trees[s.first_tree + i], norm));
        }
    }
    return V::votes_reach(vote, static_cast<double>(s.threshold));
}

// 1 / sqrt(area * squares - sum^2); a window without contrast is out (its bit in `valid` is 0).
template <class V> inline typename V::F contrast(const Program& p, const Strip& s, int32_t at, uint32_t& valid) {
    const int32_t* a = s.sum + at;
    const uint32_t* b = s.square_sum + at;
    const auto corners = [&p](const auto* base) {
        const auto get = [base](int32_t c) { return V::load(reinterpret_cast<const int32_t*>(base) + c); };
        return V::add(V::sub(V::sub(get(p.norm[0]), get(p.norm[1])), get(p.norm[2])), get(p.norm[3]));
    };
    return V::inverse_deviation(corners(a), corners(b), p.area, valid);
}

// Scanning from left to right, a window that the very first stage rejects also costs its right neighbour.
// In a run of rejected windows every second one is therefore visited; the window behind a run of odd length is not.
// `skip` says whether the first lane is passed over, and is updated for the next block.
inline uint32_t visited_lanes(uint32_t rejected, int32_t lanes, uint32_t& skip) {
    uint32_t visited = 0;
    for (int32_t i = 0; i < lanes; ++i) {
        const uint32_t here = skip ^ 1U;
        visited |= here << i;
        skip = here & (rejected >> i) & 1U;
    }
    return visited;
}

template <class V> inline int32_t scan_block(const Program& p, const Strip& s, int32_t at, uint32_t lanes_in, uint32_t& skip,
                                             const Survivors& out, int32_t kept) {
    uint32_t valid = lanes_in;
    typename V::F norm = V::set(1.0F);
    if (p.lbp == 0) {
        norm = contrast<V>(p, s, at, valid);
    }
    typename V::D vote = V::zero_votes();
    const Beside<V> beside{s.sum + at, s.tilted + at};
    valid &= lanes_in;
    uint32_t passed = 0;
    if (valid != 0) {
        passed = stage_passes<V>(p, beside, 0, norm, vote) & valid;
    }
    uint32_t alive = passed & visited_lanes(valid & ~passed, V::lanes, skip);
    int32_t stage = 1;
    while (stage < p.stage_count && __builtin_popcount(alive) >= V::dense_lanes) {
        alive &= stage_passes<V>(p, beside, stage++, norm, vote);
    }
    if (alive == 0) {
        return kept;
    }
    alignas(64) float norms[V::lanes];
    alignas(64) double votes[V::lanes];
    V::store(norms, norm);
    V::store_votes(votes, vote);
    for (; alive != 0; alive &= alive - 1) {
        const int lane = __builtin_ctz(alive);
        out.offset[kept] = at + lane;
        out.stage[kept] = stage;
        out.norm[kept] = norms[lane];
        out.vote[kept] = votes[lane];
        ++kept;
    }
    return kept;
}

template <class V> int32_t scan_row(const Program& p, const Strip& s, int32_t origin, int32_t count, const Survivors& out) {
    int32_t kept = 0;
    uint32_t skip = 0;
    for (int32_t i = 0; i < count; i += V::lanes) {
        const int32_t left = count - i;
        const uint32_t lanes_in = (left >= V::lanes) ? ((1U << (V::lanes - 1)) * 2U - 1U) : ((1U << left) - 1U);
        kept = scan_block<V>(p, s, origin + i, lanes_in, skip, out, kept);
    }
    return kept;
}

template <class V> int32_t run_stage(const Program& p, const Strip& s, int32_t stage, int32_t count, const Survivors& list) {
    int32_t kept = 0;
    int32_t i = 0;
    const auto keep = [&list, &kept](int32_t from, double vote) {
        list.offset[kept] = list.offset[from];
        list.norm[kept] = list.norm[from];
        list.vote[kept] = vote;
        ++kept;
    };
    for (; count - i >= V::gather_lanes; i += V::lanes) {
        const int32_t left = (count - i < V::lanes) ? count - i : V::lanes;
        // Lanes behind the end repeat valid places: the list is padded with its last entry.
        typename V::D vote = V::load_votes(list.vote + i);
        const Listed<V> listed{s.sum, s.tilted, V::load(list.offset + i)};
        uint32_t alive = stage_passes<V>(p, listed, stage, V::load(list.norm + i), vote);
        if (left < V::lanes) {
            alive &= (1U << left) - 1U;
        }
        alignas(64) double votes[V::lanes];
        V::store_votes(votes, vote);
        for (; alive != 0; alive &= alive - 1) {
            const int lane = __builtin_ctz(alive);
            keep(i + lane, votes[lane]);
        }
    }
    const FlatStage& last = p.stages[stage];
    for (; i < count; ++i) {
        const double before = (p.cumulative != 0) ? list.vote[i] : 0.0;
        const double vote = single_vote(p, s, last, list.offset[i], list.norm[i], before);
        if (vote >= static_cast<double>(last.threshold)) {
            keep(i, vote);
        }
    }
    return kept;
}

} // namespace
} // namespace fk::FK_ISA
