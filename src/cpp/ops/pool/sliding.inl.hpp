// Pooling on blocked channels, row by row.
#pragma once

#include "ops/pool/leaf.hpp"
#include "ops/pool_row.inl.hpp"

namespace fk::FK_ISA {
namespace {

template <int KIND> void band(const PoolLeaf& a) {
    const PoolWindow& w = a.window;
    const int64_t row_step = static_cast<int64_t>(w.iw) * VL;
    const float cells = a.count_include_pad != 0 ? static_cast<float>(w.kh) * static_cast<float>(w.kw) : 0.0F;
    for (int64_t i = a.begin; i < a.end; ++i) {
        const int64_t top = i * w.stride_h - w.pad_top;
        const int64_t first = at_least(top, 0);
        const float* x = a.x + first * row_step;
        pool_row<KIND>(
            w, [=](int64_t p) { return x + p * row_step; }, at_most(top + w.kh, w.ih) - first, cells, a.y + i * w.ow * VL);
    }
}

} // namespace

void pool_sliding(const PoolLeaf& a);
void pool_sliding(const PoolLeaf& a) {
    if (a.kind == pool_max) {
        band<pool_max>(a);
    } else if (a.kind == pool_average) {
        band<pool_average>(a);
    } else {
        band<pool_l2>(a);
    }
}

} // namespace fk::FK_ISA
