// Softmax, one row after the other: largest value, exponentials and their sum, division.
#pragma once

#include "ops/softmax/leaf.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int32_t lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The first n lanes of p, the rest -infinity: no effect on a maximum, and e^ of it is 0.
FK_INLINE vf load_or_least(const float* p, int n) {
    return select(lt_i(load_i(lane_numbers), splat_i(n)), load_n(p, n), splat(-__builtin_inff()));
}

void softmax_row(const float* x, float* y, int64_t n) {
    const int64_t whole = n - n % VL;
    const int rest = static_cast<int>(n - whole);
    const vf last = load_or_least(x + whole, rest);
    vf most = last;
    for (int64_t i = 0; i < whole; i += VL) {
        most = max(load(x + i), most);
    }
    const vf shift = splat(maximum(most));
    // exp() stops at e^-104, which is not 0 by the definition of its last bit; lanes past the row must add nothing.
    const vf last_exp = select(gt(last, splat(-__builtin_inff())), exp(last - shift), select(eq(last, last), zero(), last));
    vf sums = last_exp;
    for (int64_t i = 0; i < whole; i += VL) {
        const vf e = exp(load(x + i) - shift);
        store(y + i, e);
        sums = sums + e;
    }
    const vf total = splat(sum(sums));
    for (int64_t i = 0; i < whole; i += VL) {
        store(y + i, load(y + i) / total);
    }
    if (rest > 0) {
        store_n(y + whole, last_exp / total, rest);
    }
}

} // namespace

void softmax_rows(const SoftmaxLeaf& s);
void softmax_rows(const SoftmaxLeaf& s) {
    for (int64_t r = 0; r < s.rows; ++r) {
        softmax_row(s.x + r * s.n, s.y + r * s.n, s.n);
    }
}

} // namespace fk::FK_ISA
