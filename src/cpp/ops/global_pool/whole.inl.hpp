// Global pooling on blocked channels: four chains over the pixels (a single chain of adds would wait four cycles for
// each), joined pairwise in the end; the order depends on the number of pixels alone.
#pragma once

#include "ops/global_pool/leaf.hpp"

namespace fk::FK_ISA {
namespace {

template <int KIND> FK_INLINE vf join(vf a, vf b) {
    // max() gives its second operand where one is NaN: one in `a` stays, one in b is put there.
    return KIND == global_pool_max ? select(eq(b, b), max(b, a), b) : a + b;
}

template <int KIND> void whole(const GlobalPoolLeaf& a) {
    const vf start = KIND == global_pool_max ? splat(-__builtin_inff()) : zero();
    vf value[4] = {start, start, start, start};
    int64_t p = 0;
    for (; p + 4 <= a.pixels; p += 4) {
        FK_UNROLL
        for (int i = 0; i < 4; ++i) {
            value[i] = join<KIND>(value[i], load(a.x + (p + i) * VL));
        }
    }
    for (; p < a.pixels; ++p) {
        value[0] = join<KIND>(value[0], load(a.x + p * VL));
    }
    vf all = join<KIND>(join<KIND>(value[0], value[1]), join<KIND>(value[2], value[3]));
    if (KIND == global_pool_average) {
        all = all / splat(static_cast<float>(a.pixels));
    }
    store_n(a.y, all, a.lanes);
}

} // namespace

void global_pool_whole(const GlobalPoolLeaf& a);
void global_pool_whole(const GlobalPoolLeaf& a) {
    if (a.kind == global_pool_max) {
        whole<global_pool_max>(a);
    } else {
        whole<global_pool_average>(a);
    }
}

} // namespace fk::FK_ISA
