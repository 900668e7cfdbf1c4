// Matrix times a few vectors, bound by the weights' way from memory.
//
// The weights of a group of eight vectors of outputs are one stream, so the prefetcher follows it. Each step broadcasts
// one input and multiplies eight vectors of weights with it: eight chains, two FMA a cycle at a latency of four, which
// is what the first-level cache can deliver (two loads a cycle). Several rows of x share each load.
#pragma once

#include "ops/dense/leaf.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

// Vectors of a group that stand in registers for `ROWS` rows of x: at least eight chains, within the registers.
template <int ROWS> constexpr int widest() { return ROWS == 1 ? 8 : FK_ISA_LEVEL >= 2 ? (ROWS == 2 ? 8 : 4) : ROWS == 2 ? 4 : 2; }

// Inputs ahead of which the weights are asked for: 8 x 512 bytes at eight vectors. Hardware follows a stream within a page of
// 4 KiB only.
constexpr int steps_ahead = 8;

template <class W, int ROWS, int V> void tile(const DenseLeaf& a, const W* weights, const float* x, int first, float* y) {
    vf acc[ROWS][V];
    FK_UNROLL
    for (int v = 0; v < V; ++v) {
        const vf start = load(a.bias + (first + v) * VL);
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            acc[r][v] = start;
        }
    }
    const int64_t step = static_cast<int64_t>(a.vectors) * VL;
    const W* w = weights + first * VL;
    for (int64_t i = 0; i < a.in; ++i, w += step) {
        vf xv[ROWS];
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            xv[r] = splat(x[r * a.ldx + i]);
        }
        FK_UNROLL
        for (int v = 0; v < V; ++v) {
            const vf wv = load(w + v * VL);
            prefetch(w + v * VL + steps_ahead * step);
            FK_UNROLL
            for (int r = 0; r < ROWS; ++r) {
                acc[r][v] = fma(wv, xv[r], acc[r][v]);
            }
        }
    }
    FK_UNROLL
    for (int v = 0; v < V; ++v) {
        const int64_t at = (first + v) * VL;
        FK_UNROLL
        for (int r = 0; r < ROWS; ++r) {
            const vf result = activate(acc[r][v], a.activation, a.alpha);
            if (at + VL <= a.out) {
                store(y + r * a.ldy + at, result);
            } else {
                store_n(y + r * a.ldy + at, result, static_cast<int>(a.out - at));
            }
        }
    }
}

template <class W> using Tile = void (*)(const DenseLeaf&, const W*, const float*, int, float*);
template <class W, int ROWS, int... V> struct Tiles {
    static constexpr Tile<W> of[] = {&tile<W, ROWS, V>...};
};
template <class W, int ROWS, int N, int... V> struct UpTo : UpTo<W, ROWS, N - 1, N, V...> {};
template <class W, int ROWS, int... V> struct UpTo<W, ROWS, 0, V...> : Tiles<W, ROWS, V...> {};

template <class W, int ROWS> void rows(const DenseLeaf& a, const W* weights, int row) {
    constexpr int most = widest<ROWS>();
    for (int first = 0; first < a.vectors; first += most) {
        const int vectors = a.vectors - first < most ? a.vectors - first : most;
        UpTo<W, ROWS, most>::of[vectors - 1](a, weights, a.x + row * a.ldx, first, a.y + row * a.ldy);
    }
}

template <class W> void all_rows(const DenseLeaf& a, const W* weights) {
    int row = 0;
    for (; row + 4 <= a.rows; row += 4) {
        rows<W, 4>(a, weights, row);
    }
    switch (a.rows - row) {
    case 3:
        return rows<W, 3>(a, weights, row);
    case 2:
        return rows<W, 2>(a, weights, row);
    case 1:
        return rows<W, 1>(a, weights, row);
    default:
        return;
    }
}

} // namespace

void dense_matvec(const DenseLeaf& a);
void dense_matvec(const DenseLeaf& a) {
    if (a.w16 != nullptr) {
        all_rows(a, a.w16);
    } else {
        all_rows(a, a.w);
    }
}

} // namespace fk::FK_ISA
