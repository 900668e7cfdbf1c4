// One-sided Jacobi on many small matrices, one in each lane (angle.inl.hpp), the larger column first (P. de Rijk, 1989: fewer
// sweeps).
//
// The row p stays in registers while q runs, which makes a chain of every angle: two vectors of matrices go side by side to fill
// its waits. Sweeps of 8x8 in one vector: 6.1 pair by pair in rounds, 5.6 in rows and sorted; 112 instructions a pair, now 86.
#pragma once

#include "ops/svd/angle.inl.hpp"
#include "ops/svd/lane_ends.inl.hpp"

namespace fk::FK_ISA {
namespace {

// One row of pairs: angles of p with p + 1 .. n - 1, and where there is one.
template <class T> struct AngleRow {
    Angle<T> angle[32][twins];
    unsigned apart[32];
};

// ROWS numbers of the column p, held in registers while the columns that it meets run by.
template <class T, int ROWS> struct Held {
    using V = typename Wide<T>::v;
    static constexpr int W = Wide<T>::width;
    V x[ROWS][twins];

    FK_INLINE Held from(const T* p) {
        Held held;
        FK_UNROLL
        for (int i = 0; i < ROWS; ++i) {
            FK_UNROLL
            for (int h = 0; h < twins; ++h) {
                held.x[i][h] = load(p + (i * twins + h) * W);
            }
        }
        return held;
    }
    void to(T* p) const __attribute__((always_inline)) {
        FK_UNROLL
        for (int i = 0; i < ROWS; ++i) {
            FK_UNROLL
            for (int h = 0; h < twins; ++h) {
                store(p + (i * twins + h) * W, x[i][h]);
            }
        }
    }
    void dots(const T* q, V (&to)[twins]) const __attribute__((always_inline)) {
        V odd[twins];
        FK_UNROLL
        for (int h = 0; h < twins; ++h) {
            to[h] = x[0][h] * load(q + h * W);
            odd[h] = ROWS > 1 ? x[ROWS > 1 ? 1 : 0][h] * load(q + (twins + h) * W) : splat(T(0));
        }
        FK_UNROLL
        for (int i = 2; i < ROWS; ++i) {
            FK_UNROLL
            for (int h = 0; h < twins; ++h) {
                V& sum = i % 2 == 0 ? to[h] : odd[h];
                sum = fma(x[i][h], load(q + (i * twins + h) * W), sum);
            }
        }
        FK_UNROLL
        for (int h = 0; h < twins; ++h) {
            to[h] = to[h] + odd[h];
        }
    }
    void turn(T* q, const Angle<T> (&angle)[twins]) __attribute__((always_inline)) {
        FK_UNROLL
        for (int i = 0; i < ROWS; ++i) {
            FK_UNROLL
            for (int h = 0; h < twins; ++h) {
                T* at = q + (i * twins + h) * W;
                const V y = load(at);
                const V half = fma(angle[h].k, y, x[i][h]);
                const V turned = fnma(angle[h].s, half, y);
                store(at, turned);
                x[i][h] = fma(angle[h].k, turned, half);
            }
        }
    }
};
// As many as there are: they stay where they are.
template <class T> struct Held<T, 0> {
    using V = typename Wide<T>::v;
    static constexpr int W = Wide<T>::width;
    T* x;
    int rows;

    void dots(const T* q, V (&to)[twins]) const __attribute__((always_inline)) {
        for (V& sum : to) {
            sum = splat(T(0));
        }
        for (int i = 0; i < rows; ++i) {
            FK_UNROLL
            for (int h = 0; h < twins; ++h) {
                const int at = (i * twins + h) * W;
                to[h] = fma(load(x + at), load(q + at), to[h]);
            }
        }
    }
    void turn(T* q, const Angle<T> (&angle)[twins]) const __attribute__((always_inline)) {
        for (int i = 0; i < rows; ++i) {
            FK_UNROLL
            for (int h = 0; h < twins; ++h) {
                const int at = (i * twins + h) * W;
                const V y = load(q + at);
                const V half = fma(angle[h].k, y, load(x + at));
                const V turned = fnma(angle[h].s, half, y);
                store(q + at, turned);
                store(x + at, fma(angle[h].k, turned, half));
            }
        }
    }
};
template <class T, int ROWS> FK_INLINE Held<T, ROWS> hold(T* p, int rows) {
    if constexpr (ROWS > 0) {
        return Held<T, ROWS>::from(p);
    } else {
        return Held<T, 0>{p, rows};
    }
}
template <class T, int ROWS> FK_INLINE void let_go(const Held<T, ROWS>& held, T* p) {
    if constexpr (ROWS > 0) {
        held.to(p);
    }
}

template <class T, int ROWS> FK_INLINE unsigned turn_row(const SvdLanes<T>& l, int p, int m, int n, AngleRow<T>& row) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    T* squares = l.squares;
    const V tolerance = splat(l.tolerance * l.tolerance);
    auto held = hold<T, ROWS>(lane_column(l.x, p, m), m);
    V a[twins];
    FK_UNROLL
    for (int h = 0; h < twins; ++h) {
        a[h] = load(squares + (p * twins + h) * W);
    }
    unsigned turned = 0;
    for (int q = p + 1; q < n; ++q) {
        T* x = lane_column(l.x, q, m);
        V g[twins];
        held.dots(x, g);
        V b[twins];
        unsigned apart = 0;
        FK_UNROLL
        for (int h = 0; h < twins; ++h) {
            b[h] = load(squares + (q * twins + h) * W);
            apart |= mask_bits(gt(g[h] * g[h], tolerance * (a[h] * b[h]))) << (h * W);
        }
        row.apart[q] = apart;
        turned |= apart;
        if (apart == 0) {
            continue;
        }
        FK_UNROLL
        for (int h = 0; h < twins; ++h) {
            const auto own = gt(g[h] * g[h], tolerance * (a[h] * b[h]));
            angle_of<T, true>(a[h], b[h], g[h], own, row.angle[q][h]);
            store(squares + (q * twins + h) * W, b[h]);
        }
        held.turn(x, row.angle[q]);
    }
    let_go<T, ROWS>(held, lane_column(l.x, p, m));
    return turned;
}

template <class T, int ROWS> FK_INLINE void turn_vectors(const SvdLanes<T>& l, int p, int n, const AngleRow<T>& row) {
    auto held = hold<T, ROWS>(lane_column(l.v, p, n), n);
    for (int q = p + 1; q < n; ++q) {
        if (row.apart[q] != 0) {
            held.turn(lane_column(l.v, q, n), row.angle[q]);
        }
    }
    let_go<T, ROWS>(held, lane_column(l.v, p, n));
}

template <class T> FK_INLINE void square_columns(const SvdLanes<T>& l) {
    for (int j = 0; j < l.n; ++j) {
        typename Wide<T>::v square[twins];
        T* x = lane_column(l.x, j, l.m);
        hold<T, 0>(x, l.m).dots(x, square);
        FK_UNROLL
        for (int h = 0; h < twins; ++h) {
            store(l.squares + (j * twins + h) * Wide<T>::width, square[h]);
        }
    }
}

// Sweeps over all pairs until all are orthogonal; bits of the lanes in which they are not.
template <class T, int M, int N> unsigned lanes_sweeps(const SvdLanes<T>& l) {
    const int m = M > 0 ? M : l.m;
    const int n = N > 0 ? N : l.n;
    AngleRow<T> row;
    unsigned turned = 1;
    for (int sweep = 0; sweep < l.most_sweeps && turned != 0; ++sweep) {
        square_columns(l); // without what the updates have gathered in errors
        turned = 0;
        for (int p = 0; p + 1 < n; ++p) {
            const unsigned apart = turn_row<T, M>(l, p, m, n, row);
            turned |= apart;
            if (l.v != nullptr && apart != 0) {
                turn_vectors<T, N>(l, p, n, row);
            }
        }
    }
    square_columns(l);
    return turned;
}

template <class T> unsigned lanes_jacobi(const SvdLanes<T>& l) {
    begin_lanes(l);
    unsigned open = 0;
    switch (l.m == l.n ? l.m : 0) {
    case 2:
        open = lanes_sweeps<T, 2, 2>(l);
        break;
    case 3:
        open = lanes_sweeps<T, 3, 3>(l);
        break;
    case 4:
        open = lanes_sweeps<T, 4, 4>(l);
        break;
    case 6:
        open = lanes_sweeps<T, 6, 6>(l);
        break;
    case 8:
        open = lanes_sweeps<T, 8, 8>(l);
        break;
    default:
        open = lanes_sweeps<T, 0, 0>(l);
        break;
    }
    sort_lanes(l);
    open |= too_small(l);
    finish_lanes(l);
    return open;
}

} // namespace
} // namespace fk::FK_ISA
