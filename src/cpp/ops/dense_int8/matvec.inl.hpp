// 8-bit matrix times a few vectors, bound by the weights' way from memory: one stream of bytes for a group of eight blocks
// of outputs, each step of which meets four inputs, spread over the lanes. Several rows of x share each load.
#pragma once

#include "ops/dense_int8/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {
namespace {

// Blocks of a group that stand in registers for `ROWS` rows of x.
template <int ROWS> constexpr int widest() { return FK_ISA_LEVEL >= 2 ? (ROWS <= 2 ? 8 : 4) : ROWS == 1 ? 4 : ROWS == 2 ? 2 : 1; }

template <int ROWS, int V, int H> FK_INLINE void step_half(lanes16 (&acc)[ROWS][V], const words16 (&x)[ROWS], const int8_t* w) {
    FK_UNROLL
    for (int v = 0; v < V; ++v) {
        const weights16 wv = load_narrow(w + v * narrow_bytes);
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            acc[r][v] = dot(acc[r][v], half<H>(x[r]), wv);
        }
    }
}

template <int ROWS, int V> FK_INLINE void finish(const DenseInt8Leaf& a, const lanes16 (&acc)[ROWS][V], int row, int first) {
    const floats16 low = splat16(a.requantize.low);
    const floats16 high = splat16(a.requantize.high);
    for (int v = 0; v < V; ++v) {
        const int at = (first + v) * 16;
        const floats16 multiplier = load_floats(a.requantize.multiplier + at);
        const floats16 offset = load_floats(a.requantize.offset + at);
        for (int r = 0; r < ROWS; ++r) {
            const floats16 result = clip(to_floats(acc[r][v]) * multiplier + offset, low, high);
            const int64_t y = (row + r) * a.y_row + at;
            if (a.y_bytes != nullptr) {
                store_bytes(a.y_bytes + y, result);
            } else if (at + 16 <= a.outputs) {
                store_floats(a.y_floats + y, result);
            } else {
                store_floats_n(a.y_floats + y, result, a.outputs - at);
            }
        }
    }
}

template <int ROWS, int V> void tile(const DenseInt8Leaf& a, int row, int first) {
    lanes16 acc[ROWS][V];
    FK_UNROLL
    for (int v = 0; v < V; ++v) {
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            acc[r][v] = load_lanes(a.start + (first + v) * 16);
        }
    }
    const int64_t half_step = static_cast<int64_t>(a.blocks) * narrow_bytes;
    const int8_t* w = a.w + first * narrow_bytes;
    const uint8_t* x = a.x + row * a.x_row;
    for (int k = 0; k < a.steps; ++k, w += HALVES * half_step, x += 4) {
        words16 xv[ROWS];
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            xv[r] = spread(x + r * a.x_row);
        }
        step_half<ROWS, V, 0>(acc, xv, w);
        if constexpr (HALVES == 2) {
            step_half<ROWS, V, 1>(acc, xv, w + half_step);
        }
    }
    finish<ROWS, V>(a, acc, row, first);
}

using Tile = void (*)(const DenseInt8Leaf&, int, int);
template <int ROWS, int... V> struct Tiles {
    static constexpr Tile of[] = {&tile<ROWS, V>...};
};
template <int ROWS, int N, int... V> struct UpTo : UpTo<ROWS, N - 1, N, V...> {};
template <int ROWS, int... V> struct UpTo<ROWS, 0, V...> : Tiles<ROWS, V...> {};

template <int ROWS> void rows(const DenseInt8Leaf& a, int row) {
    constexpr int most = widest<ROWS>();
    for (int first = 0; first < a.blocks; first += most) {
        const int blocks = a.blocks - first < most ? a.blocks - first : most;
        UpTo<ROWS, most>::of[blocks - 1](a, row, first);
    }
}

} // namespace

void dense_int8_matvec(const DenseInt8Leaf& a);
void dense_int8_matvec(const DenseInt8Leaf& a) {
    int row = 0;
    for (; row + 4 <= a.rows; row += 4) {
        rows<4>(a, row);
    }
    for (; row + 2 <= a.rows; row += 2) {
        rows<2>(a, row);
    }
    if (row < a.rows) {
        rows<1>(a, row);
    }
}

} // namespace fk::FK_ISA
