// One row of pooled outputs on blocked channels: each lane is a channel, so a window is a plain run over vectors.
//
// Four neighbouring outputs stand in registers while the window's cells pass by: four independent chains cover the
// latency of max and add, and the loops over the window cost a quarter; windows of 2 x 2 and 3 x 3 are unrolled. Cells outside
// the image are left out by clipping the window; only outputs at the left and right edge need that for columns.
#pragma once

#include "ops/epilogue.inl.hpp"
#include "ops/pool_window_leaf.hpp"

namespace fk::FK_ISA {
namespace {

template <int KIND> FK_INLINE vf pool_take(vf value, vf x) {
    return KIND == pool_max ? max_or_nan(value, x) : KIND == pool_average ? value + x : fma(x, x, value);
}

template <int KIND> FK_INLINE vf pool_start(const float* first) { return KIND == pool_max ? load(first) : zero(); }

template <int KIND> FK_INLINE void pool_give(vf value, float scale, float* y) {
    store(y, KIND == pool_max ? value : KIND == pool_average ? value * splat(scale) : sqrt(value));
}

// `WIDTH` outputs whose windows hold `rows` x `columns` cells, of row p from row_of(p) + at on. scale: of an average.
template <int KIND, int WIDTH, class RowOf>
FK_INLINE void pool_tile(const RowOf& row_of, int64_t at, int64_t rows, int64_t columns, int64_t step, float scale, float* y) {
    vf value[WIDTH];
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        value[j] = pool_start<KIND>(row_of(0) + at + j * step);
    }
    for (int64_t p = 0; p < rows; ++p) {
        const float* cell = row_of(p) + at;
        for (int64_t q = 0; q < columns; ++q, cell += VL) {
            FK_UNROLL
            for (int j = 0; j < WIDTH; ++j) {
                value[j] = pool_take<KIND>(value[j], load(cell + j * step));
            }
        }
    }
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        pool_give<KIND>(value[j], scale, y + j * VL);
    }
}

// `count` outputs whose windows hold SIDE x SIDE cells.
template <int KIND, int SIDE, class RowOf>
FK_INLINE void pool_squares(const RowOf& row_of, int64_t at, int64_t step, int64_t count, float scale, float* y) {
    const float* row[SIDE];
    FK_UNROLL
    for (int p = 0; p < SIDE; ++p) {
        row[p] = row_of(p) + at;
    }
    for (int64_t j = 0; j < count; ++j, y += VL) {
        vf value = pool_start<KIND>(row[0]);
        FK_UNROLL
        for (int cell = KIND == pool_max ? 1 : 0; cell < SIDE * SIDE; ++cell) {
            value = pool_take<KIND>(value, load(row[cell / SIDE] + cell % SIDE * VL));
        }
        pool_give<KIND>(value, scale, y);
        FK_UNROLL
        for (int p = 0; p < SIDE; ++p) {
            row[p] += step;
        }
    }
}

FK_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
FK_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

// A whole row of outputs from the `rows` rows of the image that their windows reach. `cells`: what an average is divided by,
// 0 for the number of cells inside the image.
template <int KIND, class RowOf>
FK_INLINE void pool_row(const PoolWindow& w, const RowOf& row_of, int64_t rows, float cells, float* y) {
    const int64_t step = static_cast<int64_t>(w.stride_w) * VL;
    const float whole = 1.0F / (cells != 0 ? cells : static_cast<float>(rows) * static_cast<float>(w.kw));
    for (int64_t j = 0; j < w.ow;) {
        const int64_t left = j * w.stride_w - w.pad_left;
        if (j == w.inner && j < w.outer && rows == w.kw && (w.kw == 2 || w.kw == 3)) {
            if (w.kw == 2) {
                pool_squares<KIND, 2>(row_of, left * VL, step, w.outer - j, whole, y + j * VL);
            } else {
                pool_squares<KIND, 3>(row_of, left * VL, step, w.outer - j, whole, y + j * VL);
            }
            j = w.outer;
        } else if (j >= w.inner && j + 4 <= w.outer) {
            pool_tile<KIND, 4>(row_of, left * VL, rows, w.kw, step, whole, y + j * VL);
            j += 4;
        } else {
            const int64_t from = at_least(left, 0);
            const int64_t columns = at_most(left + w.kw, w.iw) - from;
            const float scale = 1.0F / (cells != 0 ? cells : static_cast<float>(rows) * static_cast<float>(columns));
            pool_tile<KIND, 1>(row_of, from * VL, rows, columns, step, scale, y + j * VL);
            j += 1;
        }
    }
}

} // namespace
} // namespace fk::FK_ISA
