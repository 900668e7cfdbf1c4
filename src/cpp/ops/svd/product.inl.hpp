// Matrix products in float32 and float64 on any strides, and the Gram matrix of float32 rows in float64.
//
// As ops/gemm: a tile of MR rows and two vectors of columns stays in registers while p runs; both sides are packed here, since
// neither is a layer's weights. An element's sum is cut at multiples of svd_depth alone: its bits depend on nothing else.
#pragma once

#include "ops/svd/leaf.hpp"
#include "ops/svd/transpose.inl.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
constexpr int tile_rows = 14;
#elif FK_ISA_LEVEL == 1
constexpr int tile_rows = 6;
#else
constexpr int tile_rows = 4;
#endif

template <class T> struct TileArguments {
    const T* a;
    int64_t a_step; // between the numbers of one p and those of the next
    const T* b;     // 2 vectors of each p
    int64_t b_step; // between those of one p and those of the next
    int depth;
    T* c;
    int64_t ldc;
    int columns;
    T scale;
    bool add;
};

template <class T, int MR, int NB> void product_tile(const TileArguments<T>& t) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    V acc[MR][NB];
    FK_UNROLL
    for (int i = 0; i < MR; ++i) {
        FK_UNROLL
        for (int j = 0; j < NB; ++j) {
            acc[i][j] = splat(T(0));
        }
    }
    const T* a = t.a;
    const T* b = t.b;
    for (int p = 0; p < t.depth; ++p, a += t.a_step, b += t.b_step) {
        V bv[NB];
        FK_UNROLL
        for (int j = 0; j < NB; ++j) {
            bv[j] = load(b + j * W);
        }
        FK_UNROLL
        for (int i = 0; i < MR; ++i) {
            const V av = splat(a[i]);
            FK_UNROLL
            for (int j = 0; j < NB; ++j) {
                acc[i][j] = fma(av, bv[j], acc[i][j]);
            }
        }
    }
    const V scale = splat(t.scale);
    FK_UNROLL
    for (int i = 0; i < MR; ++i) {
        FK_UNROLL
        for (int j = 0; j < NB; ++j) {
            T* c = t.c + i * t.ldc + j * W;
            if (j + 1 < NB || t.columns >= NB * W) {
                store(c, t.add ? fma(scale, acc[i][j], load(c)) : scale * acc[i][j]);
            } else {
                const int n = t.columns - j * W;
                store_n(c, t.add ? fma(scale, acc[i][j], load_n(c, n)) : scale * acc[i][j], n);
            }
        }
    }
}

template <class T> using ProductTile = void (*)(const TileArguments<T>&);
template <class T, int NB, int... MR> struct ProductTiles {
    static constexpr ProductTile<T> of[] = {&product_tile<T, MR, NB>...};
};
template <class T, int NB, int N, int... MR> struct ProductTo : ProductTo<T, NB, N - 1, N, MR...> {};
template <class T, int NB, int... MR> struct ProductTo<T, NB, 0, MR...> : ProductTiles<T, NB, MR...> {};

template <class T> FK_INLINE ProductTile<T> tile_for(int rows, int columns) {
    return columns > Wide<T>::width ? ProductTo<T, 2, tile_rows>::of[rows - 1] : ProductTo<T, 1, tile_rows>::of[rows - 1];
}

// Panels of two vectors of columns: [columns / panel][depth][panel], the last one filled up with zeros.
// Sides that are read where they stand, since their numbers of one p stand side by side: of the left one narrow columns,
// which share lines of the cache with the next; of the right one full panels, where few rows go over them (randomized,
// 35,887 x 136: 55 -> 52 ms).
template <class T> FK_INLINE bool left_stands(const SvdProduct<T>& g) {
    return g.a_row == 1 && (g.a_column * static_cast<int64_t>(sizeof(T)) <= 256 || g.n <= 2 * Wide<T>::width);
}
template <class T> FK_INLINE bool right_stands(const SvdProduct<T>& g) { return g.b_column == 1 && g.m <= 4 * tile_rows; }

template <class T> void pack_right(const SvdProduct<T>& g, int64_t k0, int depth, int64_t j0, int columns, T* to) {
    constexpr int panel = 2 * Wide<T>::width;
    for (int at = 0; at < columns; at += panel, to += static_cast<int64_t>(depth) * panel) {
        const T* from = g.b + k0 * g.b_row + (j0 + at) * g.b_column;
        const int n = columns - at < panel ? columns - at : panel;
        if (n == panel && right_stands(g)) {
            continue;
        }
        if (g.b_column == 1 && n == panel) {
            for (int p = 0; p < depth; ++p) {
                store(to + p * panel, load(from + p * g.b_row));
                store(to + p * panel + panel / 2, load(from + p * g.b_row + panel / 2));
            }
            continue;
        }
        int done = 0;
#if FK_ISA_LEVEL >= 2
        if constexpr (sizeof(T) == 4) {
            for (; g.b_row == 1 && n == panel && done + 16 <= depth; done += 16) {
                transpose_block(from + done, g.b_column, 16, to + done * panel, panel, 16);
                transpose_block(from + done + 16 * g.b_column, g.b_column, 16, to + done * panel + 16, panel, 16);
            }
        }
#endif
        for (int j = 0; j < panel; ++j) {
            for (int p = done; p < depth; ++p) {
                to[p * panel + j] = j < n ? from[p * g.b_row + j * g.b_column] : T(0);
            }
        }
    }
}

// Rows in strips as equal as can be, none higher than a tile.
struct RowStrips {
    int count, low, higher;
    FK_INLINE RowStrips split(int m) {
        const int count = (m + tile_rows - 1) / tile_rows;
        return {count, m / count, m % count};
    }
    int rows(int strip) const { return low + (strip < higher ? 1 : 0); }
};

// A strip [depth][rows]. What a vector writes past its rows, the next one writes over; the last ones are cut.
template <class T> FK_INLINE void pack_strip(const SvdProduct<T>& g, const T* from, int rows, int depth, T* to) {
    constexpr int W = Wide<T>::width;
    int done = 0;
    if (g.a_row == 1) {
        for (int p = 0; p < depth; ++p) {
            for (int i = 0; i < rows; i += W) {
                const auto column = load_n(from + p * g.a_column + i, rows - i < W ? rows - i : W);
                T* at = to + p * rows + i;
                if (at + W <= to + rows * depth) {
                    store(at, column);
                } else {
                    store_n(at, column, rows - i < W ? rows - i : W);
                }
            }
        }
        return;
    }
#if FK_ISA_LEVEL >= 2
    if constexpr (sizeof(T) == 4) {
        for (; g.a_column == 1 && done + 16 <= depth; done += 16) {
            transpose_block(from + done, g.a_row, rows, to + done * rows, rows, done + 16 == depth ? rows : 16);
        }
    }
#endif
    for (int i = 0; i < rows; ++i) {
        for (int p = done; p < depth; ++p) {
            to[p * rows + i] = from[i * g.a_row + p * g.a_column];
        }
    }
}

template <class T> void pack_left(const SvdProduct<T>& g, const RowStrips& strips, int64_t i0, int64_t k0, int depth, T* to) {
    const T* from = g.a + i0 * g.a_row + k0 * g.a_column;
    for (int s = 0; s < strips.count; ++s) {
        const int rows = strips.rows(s);
        pack_strip(g, from, rows, depth, to);
        from += rows * g.a_row;
        to += static_cast<int64_t>(rows) * depth;
    }
}

template <class T> void multiply(const SvdProduct<T>& g) {
    constexpr int panel = 2 * Wide<T>::width;
    T* left = g.packed;
    T* right = g.packed + static_cast<int64_t>(svd_depth) * svd_rows;
    for (int64_t k0 = 0; k0 < g.k; k0 += svd_depth) {
        const int depth = static_cast<int>(g.k - k0 < svd_depth ? g.k - k0 : svd_depth);
        for (int64_t j0 = 0; j0 < g.n; j0 += svd_columns) {
            const int columns = static_cast<int>(g.n - j0 < svd_columns ? g.n - j0 : svd_columns);
            pack_right(g, k0, depth, j0, columns, right);
            for (int64_t i0 = 0; i0 < g.m; i0 += svd_rows) {
                const RowStrips strips = RowStrips::split(static_cast<int>(g.m - i0 < svd_rows ? g.m - i0 : svd_rows));
                const bool left_here = left_stands(g);
                if (!left_here) {
                    pack_left(g, strips, i0, k0, depth, left);
                }
                for (int at = 0; at < columns; at += panel) {
                    const bool right_here = columns - at >= panel && right_stands(g);
                    TileArguments<T> t{.a = left_here ? g.a + i0 + k0 * g.a_column : left,
                                       .a_step = g.a_column,
                                       .b = right_here ? g.b + k0 * g.b_row + j0 + at : right + static_cast<int64_t>(at) * depth,
                                       .b_step = right_here ? g.b_row : panel,
                                       .depth = depth,
                                       .c = g.c + i0 * g.ldc + j0 + at,
                                       .ldc = g.ldc,
                                       .columns = columns - at < panel ? columns - at : panel,
                                       .scale = g.scale,
                                       .add = g.add || k0 > 0};
                    for (int s = 0; s < strips.count; ++s) {
                        const int rows = strips.rows(s);
                        if (!left_here) {
                            t.a_step = rows;
                        }
                        tile_for<T>(rows, t.columns)(t);
                        t.a += left_here ? rows : static_cast<int64_t>(rows) * depth;
                        t.c += rows * g.ldc;
                    }
                }
            }
        }
    }
}

// Both sides of a tile read the same packed panels: a strip is half a panel, so that it never crosses one.
void pack_wide(const SvdGram& g, int64_t k0, int depth, double* to) {
    constexpr int panel = 2 * VLD;
    for (int64_t at = 0; at < g.n; at += panel, to += static_cast<int64_t>(depth) * panel) {
        const float* from = g.a + k0 * g.row + at * g.column;
        const int n = static_cast<int>(g.n - at < panel ? g.n - at : panel);
        if (g.column == 1 && n == panel) {
            for (int p = 0; p < depth; ++p) {
                store(to + p * panel, load_wide(from + p * g.row));
                store(to + p * panel + VLD, load_wide(from + p * g.row + VLD));
            }
            continue;
        }
        for (int p = 0; p < depth; ++p) {
            for (int j = 0; j < panel; ++j) {
                to[p * panel + j] = j < n ? static_cast<double>(from[p * g.row + j * g.column]) : 0.0;
            }
        }
    }
}

void gram_upper(const SvdGram& g) {
    constexpr int panel = 2 * VLD;
    for (int64_t k0 = 0; k0 < g.rows; k0 += svd_depth) {
        const int depth = static_cast<int>(g.rows - k0 < svd_depth ? g.rows - k0 : svd_depth);
        pack_wide(g, k0, depth, g.packed);
        for (int64_t j0 = 0; j0 < g.n; j0 += panel) {
            const int columns = static_cast<int>(g.n - j0 < panel ? g.n - j0 : panel);
            for (int64_t i0 = 0; i0 < j0 + columns; i0 += VLD) {
                const int64_t in = i0 / panel * panel;
                // Rows past the last column are zeros of the last panel; g has room for them.
                const TileArguments<double> t{.a = g.packed + in * depth + (i0 - in),
                                              .a_step = panel,
                                              .b = g.packed + j0 * depth,
                                              .b_step = panel,
                                              .depth = depth,
                                              .c = g.g + i0 * g.ldg + j0,
                                              .ldc = g.ldg,
                                              .columns = columns,
                                              .scale = 1.0,
                                              .add = true};
                if (columns > VLD) {
                    product_tile<double, VLD, 2>(t);
                } else {
                    product_tile<double, VLD, 1>(t);
                }
            }
        }
    }
}

} // namespace
} // namespace fk::FK_ISA
