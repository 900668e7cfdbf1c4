// Batch normalisation on blocked channels: one multiply-add a vector, bound by memory.
#pragma once

#include "ops/batch_norm/leaf.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

void scale(const BatchNormLeaf& a) {
    const vf factor = load(a.scale);
    const vf shift = load(a.shift);
    int64_t p = 0;
    for (; p + 4 <= a.pixels; p += 4) {
        FK_UNROLL
        for (int k = 0; k < 4; ++k) {
            const int64_t at = (p + k) * VL;
            store(a.y + at, activate(fma(load(a.x + at), factor, shift), a.activation, a.alpha));
        }
    }
    for (; p < a.pixels; ++p) {
        store(a.y + p * VL, activate(fma(load(a.x + p * VL), factor, shift), a.activation, a.alpha));
    }
}

} // namespace

void batch_norm_scale(const BatchNormLeaf& a);
void batch_norm_scale(const BatchNormLeaf& a) { scale(a); }

} // namespace fk::FK_ISA
