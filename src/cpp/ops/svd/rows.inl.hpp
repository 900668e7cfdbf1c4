// One-sided Jacobi on one matrix of up to 32 columns. Its rows stand side by side, a row in two halves, and a round rotates
// column i of the first half with column i of the second: all angles of a round are one vector's, no product is summed across
// lanes, and a row that has been turned adds to the products of the next round on its way back.
//
// Everyone meets everyone: while the second half's columns change places by one bit of their number at a time (F. Gray's
// code), each meets all of the first half; then the halves are split by a bit, so that the two parts of each old half face one
// another, and so on. 16 + 8 + 4 + 2 + 1 rounds, after which all columns are moved back: the same order of pairs in each sweep
// takes one sweep less than one that begins where the last has ended.
//
// 32 x 32 with AVX-512 on Zen 4: a row's two stores take four cycles, which is what a round costs beside a few for its angles;
// these are found while the right vectors of the round before are turned.
#pragma once

#include "ops/svd/angle.inl.hpp"
#include "ops/svd/leaf.hpp"
#include "simd/cross.hpp"

namespace fk::FK_ISA {
namespace {

// H vectors of each half.
template <class T, int H> struct RowSweep {
    using V = typename Wide<T>::v;
    const SvdRows<T>* j;
    V a[H], b[H];       // squares of the columns
    V k[H], s[H];       // angles of the coming round
    unsigned turned;    // lanes that were apart in this sweep
    unsigned unsettled; // lanes whose rotation still moved others by more than a little
};

// Where columns go after a round: lane i of vector u of a half is its column u W + i.
template <int BIT, class V, int H> FK_INLINE void cross_columns(V (&x)[H]) {
    constexpr int W = static_cast<int>(sizeof(V) / sizeof(x[0].v[0]));
    if constexpr (BIT < W) {
        FK_UNROLL
        for (int u = 0; u < H; ++u) {
            x[u] = cross<BIT>(x[u]);
        }
    } else {
        FK_UNROLL
        for (int u = 0; u < H; ++u) {
            if ((u & (BIT / W)) == 0) {
                const V other = x[u | (BIT / W)];
                x[u | (BIT / W)] = x[u];
                x[u] = other;
            }
        }
    }
}
template <int BIT, class V, int H> FK_INLINE void pick_columns(const V (&x)[H], const V (&y)[H], V (&to)[H]) {
    constexpr int W = static_cast<int>(sizeof(V) / sizeof(x[0].v[0]));
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        if constexpr (BIT < W) {
            to[u] = pick<BIT>(x[u], y[u]);
        } else {
            to[u] = (u & (BIT / W)) == 0 ? x[u] : y[u];
        }
    }
}

// The second half: everyone to the next.
template <int BIT> struct Cross {
    template <class V, int H> FK_INLINE void move(V (& /*first*/)[H], V (&second)[H]) { cross_columns<BIT>(second); }
};
// Columns of the first half with the bit change places with those of the second without it; the second half comes crossed by
// the bit from its rounds.
template <int BIT> struct Split {
    template <class V, int H> FK_INLINE void move(V (&first)[H], V (&second)[H]) {
        V kept[H], moved[H];
        pick_columns<BIT>(first, second, kept);
        pick_columns<BIT>(second, first, moved);
        cross_columns<BIT>(moved);
        FK_UNROLL
        for (int u = 0; u < H; ++u) {
            first[u] = kept[u];
            second[u] = moved[u];
        }
    }
};
// All splits of a half of SIZE columns undone, the last one first.
template <int SIZE> struct Restore {
    template <class V, int H> FK_INLINE void move(V (&first)[H], V (&second)[H]) { undo<1>(first, second); }
    template <int BIT, class V, int H> FK_INLINE void undo(V (&first)[H], V (&second)[H]) {
        if constexpr (BIT < SIZE) {
            cross_columns<BIT>(second);
            Split<BIT>::move(first, second);
            undo<2 * BIT>(first, second);
        }
    }
};

// Angles of the coming round from its products.
template <class T, int H> FK_INLINE void next_angles(RowSweep<T, H>& r, const typename Wide<T>::v (&g)[H]) {
    const auto near = splat(r.j->tolerance * r.j->tolerance);
    const auto little = splat(T(1) / T(1 << 16) / T(1 << 16));
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        const auto both = r.a[u] * r.b[u];
        const auto square = g[u] * g[u];
        const auto apart = gt(square, near * both);
        Angle<T> angle;
        angle_of<T, false>(r.a[u], r.b[u], g[u], apart, angle);
        r.k[u] = angle.k;
        r.s[u] = angle.s;
        r.turned |= mask_bits(apart);
        r.unsettled |= mask_bits(gt(angle.k * angle.k * square, little * both));
    }
}

// A row by its angles, and its columns to where they belong in the next round.
template <class Move, class T, int H> FK_INLINE void turn_row(T* row, const typename Wide<T>::v (&k)[H],
                                                              const typename Wide<T>::v (&s)[H], typename Wide<T>::v (&first)[H],
                                                              typename Wide<T>::v (&second)[H]) {
    constexpr int W = Wide<T>::width;
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        const auto y = load(row + svd_half + u * W);
        const auto half = fma(k[u], y, load(row + u * W));
        second[u] = fnma(s[u], half, y);
        first[u] = fma(k[u], second[u], half);
    }
    Move::move(first, second);
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        store(row + u * W, first[u]);
        store(row + svd_half + u * W, second[u]);
    }
}

template <class Move, class T, int H> void round_of(RowSweep<T, H>& r) {
    using V = typename Wide<T>::v;
    const SvdRows<T>& j = *r.j;
    V k[H], s[H], even[H], odd[H], first[H], second[H];
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        k[u] = r.k[u];
        s[u] = r.s[u];
        even[u] = odd[u] = splat(T(0));
    }
    T* row = j.x;
    for (int i = 0; i < j.rows; i += 2, row += 4 * svd_half) {
        turn_row<Move, T, H>(row, k, s, first, second);
        FK_UNROLL
        for (int u = 0; u < H; ++u) {
            even[u] = fma(first[u], second[u], even[u]);
        }
        turn_row<Move, T, H>(row + 2 * svd_half, k, s, first, second);
        FK_UNROLL
        for (int u = 0; u < H; ++u) {
            odd[u] = fma(first[u], second[u], odd[u]);
        }
    }
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        even[u] = even[u] + odd[u];
    }
    Move::move(r.a, r.b);
    next_angles(r, even);
    if (j.v != nullptr) {
        row = j.v;
        for (int i = 0; i < j.rows; ++i, row += 2 * svd_half) {
            turn_row<Move, T, H>(row, k, s, first, second);
        }
    }
}

// Rounds in which each column of the first half meets the SIZE columns of its part of the second, and then those within.
template <int SIZE, int WHOLE, class T, int H> void rounds_of(RowSweep<T, H>& r) {
    for (int round = 1; round < SIZE; ++round) {
        switch (round & -round) {
        case 1:
            round_of<Cross<1>>(r);
            break;
        case 2:
            if constexpr (SIZE > 2) {
                round_of<Cross<2>>(r);
            }
            break;
        case 4:
            if constexpr (SIZE > 4) {
                round_of<Cross<4>>(r);
            }
            break;
        default:
            if constexpr (SIZE > 8) {
                round_of<Cross<8>>(r);
            }
        }
    }
    if constexpr (SIZE > 1) {
        round_of<Split<SIZE / 2>>(r);
        rounds_of<SIZE / 2, WHOLE>(r);
    } else {
        round_of<Restore<WHOLE>>(r);
    }
}

// Squares of all columns and the first round's products, anew: what the rotations did to them has rounded.
template <class T, int H> FK_INLINE void begin_sweep(RowSweep<T, H>& r) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    V g[H];
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        r.a[u] = r.b[u] = g[u] = splat(T(0));
    }
    const T* row = r.j->x;
    for (int i = 0; i < r.j->rows; ++i, row += 2 * svd_half) {
        FK_UNROLL
        for (int u = 0; u < H; ++u) {
            const V first = load(row + u * W);
            const V second = load(row + svd_half + u * W);
            r.a[u] = fma(first, first, r.a[u]);
            r.b[u] = fma(second, second, r.b[u]);
            g[u] = fma(first, second, g[u]);
        }
    }
    FK_UNROLL
    for (int u = 0; u < H; ++u) {
        store(r.j->squares + u * W, r.a[u]);
        store(r.j->squares + svd_half + u * W, r.b[u]);
    }
    r.turned = r.unsettled = 0;
    next_angles(r, g);
}

// True where no two of the columns [begin, begin + H vectors) and the four from `at` on are apart. squares as they are now.
template <class T, int H> FK_INLINE bool four_settled(const SvdRows<T>& j, int at, int begin) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    for (int u = 0; u < H; ++u) {
        V g[4];
        FK_UNROLL
        for (V& sum : g) {
            sum = splat(T(0));
        }
        const T* row = j.x;
        for (int i = 0; i < j.rows; ++i, row += 2 * svd_half) {
            const V x = load(row + begin + u * W);
            FK_UNROLL
            for (int c = 0; c < 4; ++c) {
                g[c] = fma(splat(row[at + c]), x, g[c]);
            }
        }
        const V squares = load(j.squares + begin + u * W);
        FK_UNROLL
        for (int c = 0; c < 4; ++c) {
            const V least = splat(j.tolerance * j.tolerance * j.squares[at + c]) * squares;
            const int own = at + c - begin - u * W;
            const unsigned self = own >= 0 && own < W ? 1U << own : 0U;
            if ((mask_bits(gt(g[c] * g[c], least)) & ~self) != 0) {
                return false;
            }
        }
    }
    return true;
}
template <class T, int HALF, int H> bool settled(const SvdRows<T>& j) {
    for (int at = 0; at < HALF; at += 4) {
        if (!four_settled<T, H>(j, at, 0) || !four_settled<T, H>(j, at, svd_half) ||
            !four_settled<T, H>(j, svd_half + at, svd_half)) {
            return false;
        }
    }
    return true;
}

// HALF columns at the most in each half. A sweep that has moved little is followed by a look at all products: where these are
// small enough, that was the last one, and a sweep that turns nothing is spared.
template <class T, int HALF> bool rows_jacobi_of(const SvdRows<T>& j) {
    constexpr int W = Wide<T>::width;
    constexpr int H = HALF > W ? HALF / W : 1;
    RowSweep<T, H> r;
    r.j = &j;
    begin_sweep(r);
    for (int sweep = 0; sweep < j.most_sweeps; ++sweep) {
        rounds_of<HALF, HALF>(r);
        const bool still = r.turned == 0;
        const bool moved = r.unsettled != 0;
        begin_sweep(r);
        if (still || (!moved && settled<T, HALF, H>(j))) {
            return true;
        }
    }
    return false;
}

template <class T> bool rows_jacobi(const SvdRows<T>& j) {
    return j.rows <= svd_half ? rows_jacobi_of<T, svd_half / 2>(j) : rows_jacobi_of<T, svd_half>(j);
}

} // namespace
} // namespace fk::FK_ISA
