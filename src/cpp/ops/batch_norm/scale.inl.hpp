// Batch normalisation: one multiply-add a vector, bound by memory.
#pragma once

#include "ops/batch_norm/leaf.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

// Blocked channels: the lanes are channels, the same for every pixel.
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

// One pixel a channel, dense: the lanes are channels, others for every vector.
void features(const BatchNormLeaf& a) {
    for (int c = 0; c < a.channels; c += VL) {
        const int lanes = a.channels - c < VL ? a.channels - c : VL;
        const vf v = fma(load_n(a.x + c, lanes), load_n(a.scale + c, lanes), load_n(a.shift + c, lanes));
        store_n(a.y + c, activate(v, a.activation, a.alpha), lanes);
    }
}

} // namespace

void batch_norm_scale(const BatchNormLeaf& a);
void batch_norm_scale(const BatchNormLeaf& a) { scale(a); }
void batch_norm_features(const BatchNormLeaf& a);
void batch_norm_features(const BatchNormLeaf& a) { features(a); }

} // namespace fk::FK_ISA
