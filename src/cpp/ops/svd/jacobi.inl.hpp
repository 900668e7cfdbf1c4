// One-sided Jacobi on one matrix: the pairs of a round share no column, so their products come first, then all angles at once.
#pragma once

#include "ops/svd/angle.inl.hpp"
#include "ops/svd/leaf.hpp"
#include "simd/sums.hpp"

namespace fk::FK_ISA {
namespace {

template <class T> struct Round {
    T* a;
    T* b;
    T* k;
    T* s;
};

// The vector whose lanes' sum is the product of two columns.
template <class T> FK_INLINE typename Wide<T>::v column_product(const T* p, const T* q, int64_t n) {
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
    return even + odd;
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

// Lane i: x_p[i] . x_q[i]; zeros for pairs that there are not, and where a column sits out.
template <class T>
FK_INLINE typename Wide<T>::v products(const SvdColumns<T>& j, int64_t rows, const int32_t* p, const int32_t* q, int count) {
    constexpr int W = Wide<T>::width;
    typename Wide<T>::v parts[W];
    FK_UNROLL
    for (int i = 0; i < W; ++i) {
        const bool there = i < count && q[i] < j.n;
        parts[i] = there ? column_product(j.x + p[i] * j.ld, j.x + q[i] * j.ld, rows) : splat(T(0));
    }
    return sums(parts);
}

template <class T> FK_INLINE void column_squares(const SvdColumns<T>& j, int64_t rows) {
    for (int k = 0; k < j.n; ++k) {
        const T* x = j.x + k * j.ld;
        j.squares[k] = sum(column_product(x, x, rows));
    }
}

// Angles of a vector of pairs with products g, from `at` on; true where one is turned. s is 0 for those that are not.
template <class T> FK_INLINE bool angles(const Round<T>& r, int at, typename Wide<T>::v g, T tolerance) {
    auto a = load(r.a + at);
    auto b = load(r.b + at);
    const auto apart = gt(g * g, splat(tolerance * tolerance) * (a * b));
    Angle<T> angle;
    angle_of<T, false>(a, b, g, apart, angle);
    store(r.k + at, angle.k);
    store(r.s + at, angle.s);
    store(r.a + at, a);
    store(r.b + at, b);
    return mask_bits(apart) != 0;
}

template <class T> bool jacobi(const SvdColumns<T>& j) {
    constexpr int W = Wide<T>::width;
    const int64_t rows = (j.n + W - 1) / W * W;
    const int64_t room = j.half + svd_pad;
    const Round<T> r{j.work, j.work + room, j.work + 2 * room, j.work + 3 * room};
    bool turned = true;
    for (int sweep = 0; sweep < j.most_sweeps && turned; ++sweep) {
        turned = false;
        column_squares(j, rows);
        for (int round = 0; round < j.rounds; ++round) {
            const int32_t* p = j.pairs + static_cast<int64_t>(round) * 2 * j.half;
            const int32_t* q = p + j.half;
            // Before the products, so that a vector of these does not wait for its numbers to reach the cache.
            for (int i = 0; i < j.half; ++i) {
                r.a[i] = j.squares[p[i]];
                r.b[i] = q[i] < j.n ? j.squares[q[i]] : T(1);
            }
            bool any = false;
            for (int i = 0; i < j.half; i += W) {
                any |= angles(r, i, products<T>(j, rows, p + i, q + i, j.half - i), j.tolerance);
            }
            turned |= any;
            for (int i = 0; any && i < j.half; ++i) {
                if (r.s[i] == T(0)) {
                    continue;
                }
                j.squares[p[i]] = r.a[i];
                j.squares[q[i]] = r.b[i];
                turn_columns<T>(j.x + p[i] * j.ld, j.x + q[i] * j.ld, rows, r.k[i], r.s[i]);
                if (j.v != nullptr) {
                    turn_columns<T>(j.v + p[i] * j.ld, j.v + q[i] * j.ld, rows, r.k[i], r.s[i]);
                }
            }
        }
    }
    column_squares(j, rows);
    return !turned;
}

} // namespace
} // namespace fk::FK_ISA
