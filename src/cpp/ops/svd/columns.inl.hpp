// Products of a matrix that stands by columns with a vector, and plane rotations of its columns: what the reductions live on.
//
// A column's dot product has one order of summation whatever columns stand beside it, a row's combination likewise, and a
// rotation touches numbers one by one: cuts over columns, rows and strips change no bit.
#pragma once

#include "ops/svd/leaf.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

// C columns share the loads of x; two chains each, since a chain adds one vector in four cycles.
template <class T, int C> FK_INLINE void dots_of(const T* a, int64_t lda, int64_t rows, const T* x, T* y) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    V even[C];
    V odd[C];
    FK_UNROLL
    for (int j = 0; j < C; ++j) {
        even[j] = odd[j] = splat(T(0));
    }
    int64_t i = 0;
    for (; i + 2 * W <= rows; i += 2 * W) {
        const V x0 = load(x + i);
        const V x1 = load(x + i + W);
        FK_UNROLL
        for (int j = 0; j < C; ++j) {
            even[j] = fma(load(a + j * lda + i), x0, even[j]);
            odd[j] = fma(load(a + j * lda + i + W), x1, odd[j]);
        }
    }
    if (i + W <= rows) {
        const V x0 = load(x + i);
        FK_UNROLL
        for (int j = 0; j < C; ++j) {
            even[j] = fma(load(a + j * lda + i), x0, even[j]);
        }
        i += W;
    }
    if (i < rows) {
        const int n = static_cast<int>(rows - i);
        const V x0 = load_n(x + i, n);
        FK_UNROLL
        for (int j = 0; j < C; ++j) {
            odd[j] = fma(load_n(a + j * lda + i, n), x0, odd[j]);
        }
    }
    FK_UNROLL
    for (int j = 0; j < C; ++j) {
        y[j] = sum(even[j] + odd[j]);
    }
}

template <class T> void dots(const T* a, int64_t lda, int64_t rows, int64_t columns, const T* x, T* y) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
        dots_of<T, 4>(a + j * lda, lda, rows, x, y + j);
    }
    for (; j < columns; ++j) {
        dots_of<T, 1>(a + j * lda, lda, rows, x, y + j);
    }
}

template <class T, int C> FK_INLINE void combine_of(const T* a, int64_t lda, int64_t rows, const T* x, T scale, T* y) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    V factor[C];
    FK_UNROLL
    for (int j = 0; j < C; ++j) {
        factor[j] = splat(scale * x[j]);
    }
    int64_t i = 0;
    for (; i + W <= rows; i += W) {
        V to = load(y + i);
        FK_UNROLL
        for (int j = 0; j < C; ++j) {
            to = fma(load(a + j * lda + i), factor[j], to);
        }
        store(y + i, to);
    }
    if (i < rows) {
        const int n = static_cast<int>(rows - i);
        V to = load_n(y + i, n);
        FK_UNROLL
        for (int j = 0; j < C; ++j) {
            to = fma(load_n(a + j * lda + i, n), factor[j], to);
        }
        store_n(y + i, to, n);
    }
}

template <class T> void combine(const T* a, int64_t lda, int64_t rows, int64_t columns, const T* x, T scale, T* y) {
    int64_t j = 0;
    for (; j + 8 <= columns; j += 8) {
        combine_of<T, 8>(a + j * lda, lda, rows, x + j, scale, y);
    }
    for (; j + 2 <= columns; j += 2) {
        combine_of<T, 2>(a + j * lda, lda, rows, x + j, scale, y);
    }
    if (j < columns) {
        combine_of<T, 1>(a + j * lda, lda, rows, x + j, scale, y);
    }
}

// A strip of four vectors of numbers: the vector that two neighbouring rotations share stays in registers.
template <class T> FK_INLINE void sweep_strip(T* x, int64_t step, int count, const T* c, const T* s) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    constexpr int N = 4;
    V carried[N];
    FK_UNROLL
    for (int v = 0; v < N; ++v) {
        carried[v] = load(x + v * W);
    }
    for (int k = 0; k < count; ++k, x += step) {
        const V ck = splat(c[k]);
        const V sk = splat(s[k]);
        FK_UNROLL
        for (int v = 0; v < N; ++v) {
            const V next = load(x + step + v * W);
            store(x + v * W, fma(ck, carried[v], sk * next));
            carried[v] = fnma(sk, carried[v], ck * next);
        }
    }
    FK_UNROLL
    for (int v = 0; v < N; ++v) {
        store(x + v * W, carried[v]);
    }
}

template <class T> void rotate(const SvdRotations<T>& r) {
    for (int64_t at = r.begin; at < r.end; at += 4 * Wide<T>::width) {
        for (int64_t i = 0; i < r.sweep_count; ++i) {
            const SvdSweep& sweep = r.sweeps[i];
            sweep_strip(r.vectors + sweep.first * r.ld + at, sweep.step * r.ld, sweep.count, r.cosines + sweep.at,
                        r.sines + sweep.at);
        }
    }
}

// 0 x is NaN for what is not finite and 0 for the rest, so its sum tells.
template <class T> T largest(const T* x, int64_t n) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    const V nothing = splat(T(0));
    V most[4] = {nothing, nothing, nothing, nothing};
    V odd[4] = {nothing, nothing, nothing, nothing};
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        FK_UNROLL
        for (int v = 0; v < 4; ++v) {
            const V value = load(x + i + v * W);
            most[v] = max(abs(value), most[v]);
            odd[v] = fma(value, nothing, odd[v]);
        }
    }
    for (; i < n; i += W) {
        const V value = load_n(x + i, static_cast<int>(n - i < W ? n - i : W));
        most[0] = max(abs(value), most[0]);
        odd[0] = fma(value, nothing, odd[0]);
    }
    const T nan = sum((odd[0] + odd[1]) + (odd[2] + odd[3]));
    return nan == T(0) ? maximum(max(max(most[0], most[1]), max(most[2], most[3]))) : nan;
}

} // namespace
} // namespace fk::FK_ISA
