// Pooling on blocked channels: each lane is a channel, so a window is a plain run over vectors.
//
// Four neighbouring outputs stand in registers while the window's cells pass by: four independent chains cover the
// latency of max and add, and the loops over the window cost a quarter. Cells outside the image are left out by
// clipping the window; only outputs at the left and right edge need that for columns.
#pragma once

#include "ops/epilogue.inl.hpp"
#include "ops/pool/leaf.hpp"

namespace fk::FK_ISA {
namespace {

template <int KIND> FK_INLINE vf take(vf value, vf x) {
    return KIND == pool_max ? max_or_nan(value, x) : KIND == pool_average ? value + x : fma(x, x, value);
}

// `width` outputs whose windows hold `rows` x `columns` cells from x on.
template <int KIND, int WIDTH> FK_INLINE void tile(const PoolLeaf& a, const float* x, int64_t rows, int64_t columns, float* y) {
    vf value[WIDTH];
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        value[j] = KIND == pool_max ? splat(-__builtin_inff()) : zero();
    }
    const int64_t row_step = static_cast<int64_t>(a.iw) * VL;
    const int64_t step = static_cast<int64_t>(a.stride_w) * VL;
    for (int64_t p = 0; p < rows; ++p) {
        const float* cell = x + p * row_step;
        for (int64_t q = 0; q < columns; ++q, cell += VL) {
            FK_UNROLL
            for (int j = 0; j < WIDTH; ++j) {
                value[j] = take<KIND>(value[j], load(cell + j * step));
            }
        }
    }
    const float count = a.count_include_pad != 0 ? static_cast<float>(a.kh) * static_cast<float>(a.kw)
                                                 : static_cast<float>(rows) * static_cast<float>(columns);
    const vf scale = splat(1.0F / count);
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        store(y + j * VL, KIND == pool_max ? value[j] : KIND == pool_average ? value[j] * scale : sqrt(value[j]));
    }
}

FK_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
FK_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

template <int KIND> void band(const PoolLeaf& a) {
    // Outputs in [inner, outer) see whole windows.
    const int64_t inner = at_most(a.ow, (static_cast<int64_t>(a.pad_left) + a.stride_w - 1) / a.stride_w);
    const int64_t room = static_cast<int64_t>(a.iw) + a.pad_left - a.kw;
    const int64_t outer = at_least(inner, room < 0 ? 0 : at_most(a.ow, room / a.stride_w + 1));
    for (int64_t i = a.begin; i < a.end; ++i) {
        const int64_t top = i * a.stride_h - a.pad_top;
        const int64_t first = at_least(top, 0);
        const int64_t rows = at_most(top + a.kh, a.ih) - first;
        const float* x = a.x + first * a.iw * VL;
        float* y = a.y + i * a.ow * VL;
        for (int64_t j = 0; j < a.ow;) {
            const int64_t left = j * a.stride_w - a.pad_left;
            if (j >= inner && j + 4 <= outer) {
                tile<KIND, 4>(a, x + left * VL, rows, a.kw, y + j * VL);
                j += 4;
            } else {
                const int64_t from = at_least(left, 0);
                tile<KIND, 1>(a, x + from * VL, rows, at_most(left + a.kw, a.iw) - from, y + j * VL);
                j += 1;
            }
        }
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
