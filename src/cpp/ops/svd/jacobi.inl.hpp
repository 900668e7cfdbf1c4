// One-sided Jacobi on one matrix: the pairs of a round share no column, so their products come first, then all angles at once.
#pragma once

#include "ops/svd/angle.inl.hpp"
#include "ops/svd/leaf.hpp"

namespace fk::FK_ISA {
namespace {

template <class T> struct Round {
    T* a;
    T* b;
    T* g;
    T* k;
    T* s;
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

template <class T> FK_INLINE void turn_columns(T* p, T* q, int64_t n, T k, T s) {
    constexpr int W = Wide<T>::width;
    const auto kv = splat(k);
    const auto sv = splat(s);
    for (int64_t i = 0; i < n; i += W) {
        const auto y = load(q + i);
        const auto half = fma(kv, y, load(p + i));
        const auto turned = fnma(sv, half, y);
        store(q + i, turned);
        store(p + i, fma(kv, turned, half));
    }
}

// Angles of `count` pairs; true where one is turned. s is 0 for those that are not.
template <class T> FK_INLINE bool angles(const Round<T>& r, int count, T tolerance) {
    using V = typename Wide<T>::v;
    unsigned turned = 0;
    for (int i = 0; i < count; i += Wide<T>::width) {
        V a = load(r.a + i);
        V b = load(r.b + i);
        const V g = load(r.g + i);
        const auto apart = gt(g * g, splat(tolerance * tolerance) * (a * b));
        turned |= mask_bits(apart);
        Angle<T> angle;
        angle_of<T, false>(a, b, g, apart, angle);
        store(r.k + i, angle.k);
        store(r.s + i, angle.s);
        store(r.a + i, a);
        store(r.b + i, b);
    }
    return turned != 0;
}

template <class T> bool jacobi(const SvdColumns<T>& j) {
    constexpr int W = Wide<T>::width;
    const int64_t rows = (j.n + W - 1) / W * W;
    const int64_t room = j.half + svd_pad;
    const Round<T> r{j.work, j.work + room, j.work + 2 * room, j.work + 3 * room, j.work + 4 * room};
    bool turned = true;
    for (int sweep = 0; sweep < j.most_sweeps && turned; ++sweep) {
        turned = false;
        for (int k = 0; k < j.n; ++k) {
            j.squares[k] = column_dot(j.x + k * j.ld, j.x + k * j.ld, rows);
        }
        for (int round = 0; round < j.rounds; ++round) {
            const int32_t* p = j.pairs + static_cast<int64_t>(round) * 2 * j.half;
            const int32_t* q = p + j.half;
            for (int i = 0; i < j.half; ++i) {
                const bool bye = q[i] >= j.n; // an odd number of columns
                r.a[i] = j.squares[p[i]];
                r.b[i] = bye ? T(1) : j.squares[q[i]];
                r.g[i] = bye ? T(0) : column_dot(j.x + p[i] * j.ld, j.x + q[i] * j.ld, rows);
            }
            if (!angles(r, j.half, j.tolerance)) {
                continue;
            }
            turned = true;
            for (int i = 0; i < j.half; ++i) {
                if (r.s[i] == T(0)) {
                    continue;
                }
                j.squares[p[i]] = r.a[i];
                j.squares[q[i]] = r.b[i];
                turn_columns(j.x + p[i] * j.ld, j.x + q[i] * j.ld, rows, r.k[i], r.s[i]);
                if (j.v != nullptr) {
                    turn_columns(j.v + p[i] * j.ld, j.v + q[i] * j.ld, rows, r.k[i], r.s[i]);
                }
            }
        }
    }
    for (int k = 0; k < j.n; ++k) {
        j.squares[k] = column_dot(j.x + k * j.ld, j.x + k * j.ld, rows);
    }
    return !turned;
}

} // namespace
} // namespace fk::FK_ISA
