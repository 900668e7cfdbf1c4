// Reorders by squares of VL channels and VL pixels, transposed in registers: a number costs a load and a store for VL of them
// and log2(VL) shuffles, in place of a load and a store each (32 channels at 112 x 112: 0.5 -> 0.06 ms).
#pragma once

#include "ops/reorder/leaf.hpp"
#include "simd/transpose.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE int at_most(int64_t a, int b) { return a < b ? static_cast<int>(a) : b; }

} // namespace

void to_blocked(const ReorderLeaf& a);
void to_blocked(const ReorderLeaf& a) {
    for (int64_t p = 0; p < a.pixels; p += VL) {
        const int pixels = at_most(a.pixels - p, VL);
        vf square[VL];
        FK_UNROLL
        for (int k = 0; k < VL; ++k) {
            const float* from = a.x + k * a.plane + p;
            square[k] = k >= a.channels ? zero() : pixels == VL ? load(from) : load_n(from, pixels);
        }
        transpose(square);
        FK_UNROLL
        for (int i = 0; i < VL; ++i) {
            if (i < pixels) {
                store(a.y + (p + i) * a.step, square[i]);
            }
        }
    }
}

void from_blocked(const ReorderLeaf& a);
void from_blocked(const ReorderLeaf& a) {
    for (int64_t p = 0; p < a.pixels; p += VL) {
        const int pixels = at_most(a.pixels - p, VL);
        vf square[VL];
        FK_UNROLL
        for (int i = 0; i < VL; ++i) {
            square[i] = i < pixels ? load(a.x + (p + i) * a.step) : zero();
        }
        transpose(square);
        FK_UNROLL
        for (int k = 0; k < VL; ++k) {
            float* to = a.y + k * a.plane + p;
            if (k < a.channels) {
                pixels == VL ? store(to, square[k]) : store_n(to, square[k], pixels);
            }
        }
    }
}

} // namespace fk::FK_ISA
