// Elementwise functions over flat arrays, four vectors at a time: memory bounds the cheap ones, and the four
// independent polynomials of the others keep both multipliers busy.
#pragma once

#include "ops/elementwise/leaf.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

template <bool TWO> void flat(const ElementwiseLeaf& e) {
    int64_t i = 0;
    for (; i + 4 * VL <= e.count; i += 4 * VL) {
        vf v[4];
        FK_UNROLL
        for (int k = 0; k < 4; ++k) {
            v[k] = load(e.a + i + k * VL);
            if (TWO) {
                v[k] = v[k] + load(e.b + i + k * VL);
            }
        }
        FK_UNROLL
        for (int k = 0; k < 4; ++k) {
            store(e.y + i + k * VL, activate(v[k], e.activation, e.alpha));
        }
    }
    for (; i < e.count; i += VL) {
        const int lanes = e.count - i < VL ? static_cast<int>(e.count - i) : VL;
        vf v = load_n(e.a + i, lanes);
        if (TWO) {
            v = v + load_n(e.b + i, lanes);
        }
        store_n(e.y + i, activate(v, e.activation, e.alpha), lanes);
    }
}

} // namespace

void elementwise_flat(const ElementwiseLeaf& e);
void elementwise_flat(const ElementwiseLeaf& e) {
    if (e.b != nullptr) {
        flat<true>(e);
    } else {
        flat<false>(e);
    }
}

} // namespace fk::FK_ISA
