// Register-tiled matrix product over packed panels.
//
// A tile is MR rows times two vectors of columns, held in registers while p runs. One step loads two vectors of B and
// broadcasts MR numbers of A for 2 MR fused multiply-adds. AVX-512: 14 x 2, 16 loads for 28 FMA, 28 + 2 + 1 of 32
// registers; AVX2: 6 x 2, 8 loads for 12 FMA, 12 + 2 + 1 of 16. Rows of A are packed so that the MR numbers of a step
// stand side by side: one pointer instead of MR, and no cache set is hit by all rows at once where lda is a power of two.
//
// Sums longer than gemm_depth are left in C between passes; storing and loading a float changes nothing, so an element
// is one chain over p (from the bias on) for every cut.
#pragma once

#include "ops/epilogue.inl.hpp"
#include "ops/gemm/leaf.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
constexpr int tile_rows = 14;
#elif FK_ISA_LEVEL == 1
constexpr int tile_rows = 6;
#else
constexpr int tile_rows = 4;
#endif
constexpr int panel = 2 * VL;

struct Pass {
    int depth;
    bool first, last;
    int activation;
    float alpha;
};

// The first `columns` of NB vectors; whole vectors where all are there (masked stores are slow on some processors).
template <int NB> FK_INLINE void load_columns(vf* v, const float* p, int columns) {
    FK_UNROLL
    for (int j = 0; j < NB; ++j) {
        v[j] = columns >= NB * VL || j + 1 < NB ? load(p + j * VL) : load_n(p + j * VL, columns - j * VL);
    }
}
template <int NB> FK_INLINE void store_columns(float* p, const vf* v, int columns) {
    FK_UNROLL
    for (int j = 0; j < NB; ++j) {
        if (columns >= NB * VL || j + 1 < NB) {
            store(p + j * VL, v[j]);
        } else {
            store_n(p + j * VL, v[j], columns - j * VL);
        }
    }
}

// columns: how many of the tile's NB * VL columns there are, at least one of the last vector.
template <int MR, int NB>
void tile(const Pass& pass, const float* a, const float* b, const float* bias, float* c, int64_t ldc, int columns) {
    vf acc[MR][NB];
    if (pass.first) {
        FK_UNROLL
        for (int i = 0; i < MR; ++i) {
            load_columns<NB>(acc[i], bias, NB * VL);
        }
    } else {
        FK_UNROLL
        for (int i = 0; i < MR; ++i) {
            load_columns<NB>(acc[i], c + i * ldc, columns);
        }
    }
    for (int p = 0; p < pass.depth; ++p, a += MR, b += panel) {
        vf bv[NB];
        FK_UNROLL
        for (int j = 0; j < NB; ++j) {
            bv[j] = load(b + j * VL);
        }
        FK_UNROLL
        for (int i = 0; i < MR; ++i) {
            const vf av = splat(a[i]);
            FK_UNROLL
            for (int j = 0; j < NB; ++j) {
                acc[i][j] = fma(av, bv[j], acc[i][j]);
            }
        }
    }
    const int activation = pass.last ? pass.activation : FK_ACTIVATION_NONE;
    FK_UNROLL
    for (int i = 0; i < MR; ++i) {
        if (activation != FK_ACTIVATION_NONE) {
            FK_UNROLL
            for (int j = 0; j < NB; ++j) {
                acc[i][j] = activate(acc[i][j], activation, pass.alpha);
            }
        }
        store_columns<NB>(c + i * ldc, acc[i], columns);
    }
}

using Tile = void (*)(const Pass&, const float*, const float*, const float*, float*, int64_t, int);
template <int NB, int... MR> struct Tiles {
    static constexpr Tile of[] = {&tile<MR, NB>...};
};
template <int NB, int N, int... MR> struct UpTo : UpTo<NB, N - 1, N, MR...> {};
template <int NB, int... MR> struct UpTo<NB, 0, MR...> : Tiles<NB, MR...> {};

// Rows in strips as equal as can be, none higher than a tile.
struct Strips {
    int count, low, higher; // `higher` strips are one row higher than `low`
    FK_INLINE Strips split(int m) {
        const int count = (m + tile_rows - 1) / tile_rows;
        return {count, m / count, m % count};
    }
    int rows(int strip) const { return low + (strip < higher ? 1 : 0); }
};

// [strip][depth][rows of the strip]
void pack(const GemmLeaf& g, const Strips& strips, int k0, int depth) {
    float* to = g.packed_a;
    const float* from = g.a + k0;
    for (int s = 0; s < strips.count; ++s) {
        const int rows = strips.rows(s);
        for (int i = 0; i < rows; ++i) {
            for (int p = 0; p < depth; ++p) {
                to[p * rows + i] = from[p];
            }
            from += g.lda;
        }
        to += static_cast<int64_t>(rows) * depth;
    }
}

void pass_over(const GemmLeaf& g, const Strips& strips, int k0, const Pass& pass) {
    for (int j0 = 0; j0 < g.n; j0 += panel) {
        const float* b = g.b + static_cast<int64_t>(j0) * g.k + static_cast<int64_t>(k0) * panel;
        const float* a = g.packed_a;
        float* c = g.c + j0;
        const int columns = g.n - j0;
        for (int s = 0; s < strips.count; ++s) {
            const int rows = strips.rows(s);
            const Tile t = columns > VL ? UpTo<2, tile_rows>::of[rows - 1] : UpTo<1, tile_rows>::of[rows - 1];
            t(pass, a, b, g.bias + j0, c, g.ldc, columns);
            a += static_cast<int64_t>(rows) * pass.depth;
            c += rows * g.ldc;
        }
    }
}

} // namespace

void gemm_packed(const GemmLeaf& g);
void gemm_packed(const GemmLeaf& g) {
    const Strips strips = Strips::split(g.m);
    for (int k0 = 0; k0 < g.k; k0 += gemm_depth) {
        const int depth = g.k - k0 < gemm_depth ? g.k - k0 : gemm_depth;
        pack(g, strips, k0, depth);
        pass_over(g, strips, k0,
                  {.depth = depth, .first = k0 == 0, .last = k0 + depth == g.k, .activation = g.activation, .alpha = g.alpha});
    }
}

} // namespace fk::FK_ISA
