// One-sided Jacobi (M. R. Hestenes, "Inversion of matrices by biorthogonalization", 1958): plane rotations from the right make
// the columns of x orthogonal. A rotation of columns p, q with squares a = |x_p|^2, b = |x_q|^2 and product g = x_p . x_q:
//   t = sign(z) / (|z| + sqrt(1 + z^2)),  z = (b - a) / (2 g),  c = 1 / sqrt(1 + t^2),  s = c t,
//   x_p <- c x_p - s x_q,  x_q <- s x_p + c x_q,  and the squares become a - t g and b + t g.
#pragma once

#include "ops/svd/leaf.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

template <class V> struct Turn {
    V t, c, s;
};

template <class V, class T> FK_INLINE Turn<V> turn_of(V a, V b, V g, T /*type*/) {
    const V one = splat(T(1));
    const V nothing = splat(T(0));
    const V z = (b - a) / (g + g);
    const V size = one / (abs(z) + sqrt(fma(z, z, one)));
    const V t = select(gt(nothing, z), nothing - size, size);
    const V c = one / sqrt(fma(t, t, one));
    return {t, c, c * t};
}

// One matrix: rotations of a round share no column, so their products come first, then all angles at once in float64.
struct Round {
    double* a;
    double* b;
    double* g;
    double* c;
    double* s;
};

template <class T> FK_INLINE T column_dot(const T* p, const T* q, int64_t n) {
    constexpr int W = Wide<T>::width;
    auto even = splat(T(0));
    auto odd = splat(T(0));
    int64_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W) {
        even = fma(load(p + i), load(q + i), even);
        odd = fma(load(p + i + W), load(q + i + W), odd);
    }
    if (i < n) {
        even = fma(load(p + i), load(q + i), even);
    }
    return sum(even + odd);
}

template <class T> FK_INLINE void turn_columns(T* p, T* q, int64_t n, T c, T s) {
    constexpr int W = Wide<T>::width;
    const auto cv = splat(c);
    const auto sv = splat(s);
    for (int64_t i = 0; i < n; i += W) {
        const auto xp = load(p + i);
        const auto xq = load(q + i);
        store(p + i, fnma(sv, xq, cv * xp));
        store(q + i, fma(sv, xp, cv * xq));
    }
}

// Angles of `count` pairs; true where one is turned. s is 0 for those that are not.
FK_INLINE bool angles(const Round& r, int count, double tolerance) {
    double turned = 0;
    const vd one = splat(1.0);
    const vd nothing = splat(0.0);
    for (int i = 0; i < count; i += VLD) {
        const vd a = load(r.a + i);
        const vd b = load(r.b + i);
        const vd g = load(r.g + i);
        const md apart = gt(abs(g), splat(tolerance) * (sqrt(a) * sqrt(b)));
        turned += mask_bits(apart);
        const Turn<vd> turn = turn_of(a, b, select(apart, g, one), 0.0);
        const vd t = select(apart, turn.t, nothing);
        store(r.c + i, select(apart, turn.c, one));
        store(r.s + i, select(apart, turn.s, nothing));
        store(r.a + i, fnma(t, select(apart, g, nothing), a));
        store(r.b + i, fma(t, select(apart, g, nothing), b));
    }
    return turned > 0;
}

template <class T> bool jacobi(const SvdColumns<T>& j) {
    constexpr int W = Wide<T>::width;
    const int64_t rows = (j.n + W - 1) / W * W;
    double* work = j.work;
    const int64_t room = j.half + svd_pad;
    const Round r{work, work + room, work + 2 * room, work + 3 * room, work + 4 * room};
    bool turned = true;
    for (int sweep = 0; sweep < j.most_sweeps && turned; ++sweep) {
        turned = false;
        for (int k = 0; k < j.n; ++k) {
            j.squares[k] = static_cast<double>(column_dot(j.x + k * j.ld, j.x + k * j.ld, rows));
        }
        for (int round = 0; round < j.rounds; ++round) {
            const int32_t* p = j.pairs + static_cast<int64_t>(round) * 2 * j.half;
            const int32_t* q = p + j.half;
            for (int i = 0; i < j.half; ++i) {
                const bool bye = q[i] >= j.n; // an odd number of columns
                r.a[i] = j.squares[p[i]];
                r.b[i] = bye ? 1.0 : j.squares[q[i]];
                r.g[i] = bye ? 0.0 : static_cast<double>(column_dot(j.x + p[i] * j.ld, j.x + q[i] * j.ld, rows));
            }
            if (!angles(r, j.half, static_cast<double>(j.tolerance))) {
                continue;
            }
            turned = true;
            for (int i = 0; i < j.half; ++i) {
                if (r.s[i] == 0.0) {
                    continue;
                }
                j.squares[p[i]] = r.a[i];
                j.squares[q[i]] = r.b[i];
                const T c = static_cast<T>(r.c[i]);
                const T s = static_cast<T>(r.s[i]);
                turn_columns(j.x + p[i] * j.ld, j.x + q[i] * j.ld, rows, c, s);
                if (j.v != nullptr) {
                    turn_columns(j.v + p[i] * j.ld, j.v + q[i] * j.ld, rows, c, s);
                }
            }
        }
    }
    for (int k = 0; k < j.n; ++k) {
        j.squares[k] = static_cast<double>(column_dot(j.x + k * j.ld, j.x + k * j.ld, rows));
    }
    return !turned;
}

} // namespace
} // namespace fk::FK_ISA
