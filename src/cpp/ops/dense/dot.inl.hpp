// Matrix times a few vectors, from weights as they are given: [out][in]. For a call that uses them once, which matvec.inl.hpp's
// order would cost two passes over them.
//
// Vectors stand along the inputs: four outputs by up to two rows of x are eight chains at most, each of an own vector of partial
// sums, added up at the end. The sum of an output does not depend on what else is computed beside it.
#pragma once

#include "ops/dense/leaf.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int dot_outputs = 4;

// The first n values at p, the rest 0.
template <class W> FK_INLINE vf load_first(const W* p, int n) {
    W values[VL] = {};
    for (int i = 0; i < n; ++i) {
        values[i] = p[i];
    }
    return load(values);
}

// sums[r * VL + o] of OUTPUTS outputs for ROWS rows of x.
template <class W, int OUTPUTS, int ROWS> void dot_tile(const DenseLeaf& a, const W* w, const float* x, float* sums) {
    vf acc[OUTPUTS][ROWS];
    FK_UNROLL
    for (int o = 0; o < OUTPUTS; ++o) {
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            acc[o][r] = zero();
        }
    }
    const int rest = a.in % VL;
    const int64_t whole = a.in - rest;
    const auto add = [&](auto&& weights, auto&& inputs) {
        vf xv[ROWS];
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            xv[r] = inputs(x + r * a.ldx);
        }
        FK_UNROLL
        for (int o = 0; o < OUTPUTS; ++o) {
            const vf wv = weights(w + o * static_cast<int64_t>(a.in));
            FK_UNROLL
            for (int r = 0; r < ROWS; ++r) {
                acc[o][r] = fma(wv, xv[r], acc[o][r]);
            }
        }
    };
    for (int64_t i = 0; i < whole; i += VL) {
        add([i](const W* p) { return load(p + i); }, [i](const float* p) { return load(p + i); });
    }
    if (rest > 0) {
        add([=](const W* p) { return load_first(p + whole, rest); }, [=](const float* p) { return load_n(p + whole, rest); });
    }
    FK_UNROLL
    for (int o = 0; o < OUTPUTS; ++o) {
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            sums[r * VL + o] = sum(acc[o][r]);
        }
    }
}

template <class W, int ROWS> void dot_rows(const DenseLeaf& a, const W* w, int row) {
    const float* x = a.x + row * a.ldx;
    for (int first = 0; first < a.out; first += VL) {
        float sums[ROWS * VL] = {};
        const int outputs = a.out - first < VL ? a.out - first : VL;
        const W* weights = w + first * static_cast<int64_t>(a.in);
        int o = 0;
        for (; o + dot_outputs <= outputs; o += dot_outputs) {
            dot_tile<W, dot_outputs, ROWS>(a, weights + o * static_cast<int64_t>(a.in), x, sums + o);
        }
        for (; o < outputs; ++o) {
            dot_tile<W, 1, ROWS>(a, weights + o * static_cast<int64_t>(a.in), x, sums + o);
        }
        for (int r = 0; r < ROWS; ++r) {
            const vf total = load_n(sums + r * VL, outputs) + load_n(a.bias + first, outputs);
            store_n(a.y + (row + r) * a.ldy + first, activate(total, a.activation, a.alpha), outputs);
        }
    }
}

template <class W> void dot_all(const DenseLeaf& a, const W* w) {
    int row = 0;
    for (; row + 2 <= a.rows; row += 2) {
        dot_rows<W, 2>(a, w, row);
    }
    if (row < a.rows) {
        dot_rows<W, 1>(a, w, row);
    }
}

} // namespace

void dense_dot(const DenseLeaf& a);
void dense_dot(const DenseLeaf& a) {
    if (a.w16 != nullptr) {
        dot_all(a, a.w16);
    } else {
        dot_all(a, a.w);
    }
}

} // namespace fk::FK_ISA
