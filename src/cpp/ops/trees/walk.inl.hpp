// VL trees walk at once, a lane each; then the rows of the leaves that they reached are summed.
//
// A walk is a chain of dependent look-ups, about 20 cycles a step; groups of trees are independent, so that the
// processor overlaps several. All rows are known before the first is read: their cache misses overlap too.
// Differences of pixels are whole numbers, codes are summed as integers, float leaves in the order of the trees: the
// same bits as reference.cpp.
#pragma once

#include "ops/trees/leaf.hpp"

namespace fk::FK_ISA {
namespace {

struct Lanes {
    int32_t of[VL] = {};
    constexpr Lanes() {
        for (int i = 0; i < VL; ++i) {
            of[i] = i;
        }
    }
};
constexpr Lanes lanes;

// Lanes behind the last tree repeat it.
FK_INLINE void walk(const TreesLeaf& a) {
    const int32_t splits = (1 << a.depth) - 1;
    for (int32_t t = 0; t < a.trees; t += VL) {
        const vi tree = min_i(splat_i(t) + load_i(lanes.of), splat_i(a.trees - 1));
        const vi first = tree * splat_i(splits);
        vi at = splat_i(0);
        for (int32_t step = 0; step < a.depth; ++step) {
            const vi split = first + at;
            const vi pair = gather_i(a.pairs, split);
            const vf one = gather(a.pixels, pair & splat_i(0xFFFF));
            const vf other = gather(a.pixels, shr(pair, 16) & splat_i(0xFFFF));
            const vm left = gt(one - other, gather(a.thresholds, split));
            at = at + at + select_i(left, splat_i(1), splat_i(2));
        }
        store_i(a.reached + t, first + tree + at - splat_i(splits));
    }
}

// Columns [from, from + N VL) of the sum of the reached rows of codes.
template <int N> void sum_codes(const TreesLeaf& a, int32_t from) {
    vi sums[N];
    FK_UNROLL
    for (int n = 0; n < N; ++n) {
        sums[n] = splat_i(0);
    }
    for (int32_t t = 0; t < a.trees; ++t) {
        const int8_t* row = a.codes + int64_t(a.reached[t]) * a.width + from;
        FK_UNROLL
        for (int n = 0; n < N; ++n) {
            sums[n] = sums[n] + load_i8(row + n * VL);
        }
    }
    FK_UNROLL
    for (int n = 0; n < N; ++n) {
        store_i(a.sums + from + n * VL, sums[n]);
    }
}

void sum_leaves(const TreesLeaf& a) {
    for (int32_t t = 0; t < a.trees; ++t) {
        const float* row = a.leaves + int64_t(a.reached[t]) * a.width;
        int32_t i = 0;
        for (; i + VL <= a.width; i += VL) {
            store(a.total + i, load(a.total + i) + load(row + i));
        }
        const int32_t rest = a.width - i;
        store_n(a.total + i, load_n(a.total + i, rest) + load_n(row + i, rest), rest);
    }
}

} // namespace

void trees_walk(const TreesLeaf& a);
void trees_walk(const TreesLeaf& a) {
    walk(a);
    if (a.codes == nullptr) {
        sum_leaves(a);
        return;
    }
    int32_t from = 0;
    for (; from + 3 * VL < a.width; from += 4 * VL) {
        sum_codes<4>(a, from);
    }
    for (; from + VL < a.width; from += 2 * VL) {
        sum_codes<2>(a, from);
    }
    if (from < a.width) {
        sum_codes<1>(a, from);
    }
}

} // namespace fk::FK_ISA
