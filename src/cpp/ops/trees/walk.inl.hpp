// VL trees walk at once, a lane each; then the rows of the leaves that they reached are summed.
//
// A walk is a chain of dependent look-ups. Four groups of trees, which are independent, take each step together: one
// group's gathers run while another's wait. All rows are known before the first is read: their cache misses overlap too.
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

// Trees [t, t + N VL); lanes behind the last tree repeat it.
template <int N> void walk_groups(const TreesLeaf& a, int32_t t) {
    const int32_t splits = (1 << a.depth) - 1;
    vi tree[N];
    vi first[N];
    vi at[N];
    FK_UNROLL
    for (int n = 0; n < N; ++n) {
        tree[n] = min_i(splat_i(t + n * VL) + load_i(lanes.of), splat_i(a.trees - 1));
        first[n] = tree[n] * splat_i(splits);
        at[n] = splat_i(0);
    }
    for (int32_t step = 0; step < a.depth; ++step) {
        vi pair[N];
        vf one[N];
        vf other[N];
        FK_UNROLL
        for (int n = 0; n < N; ++n) {
            pair[n] = gather_i(a.pairs, first[n] + at[n]);
        }
        FK_UNROLL
        for (int n = 0; n < N; ++n) {
            one[n] = gather(a.pixels, pair[n] & splat_i(0xFFFF));
        }
        FK_UNROLL
        for (int n = 0; n < N; ++n) {
            other[n] = gather(a.pixels, shr(pair[n], 16) & splat_i(0xFFFF));
        }
        FK_UNROLL
        for (int n = 0; n < N; ++n) {
            const vm left = gt(one[n] - other[n], gather(a.thresholds, first[n] + at[n]));
            at[n] = at[n] + at[n] + select_i(left, splat_i(1), splat_i(2));
        }
    }
    FK_UNROLL
    for (int n = 0; n < N; ++n) {
        store_i(a.reached + t + n * VL, first[n] + tree[n] + at[n] - splat_i(splits));
    }
}

FK_INLINE void walk(const TreesLeaf& a) {
    int32_t t = 0;
    for (; t + 3 * VL < a.trees; t += 4 * VL) {
        walk_groups<4>(a, t);
    }
    for (; t < a.trees; t += VL) {
        walk_groups<1>(a, t);
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
