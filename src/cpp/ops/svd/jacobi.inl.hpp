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

#if FK_ISA_LEVEL >= 1
// float32 roots and quotients from the processor's estimates (12 or 14 bits): an angle needs no more, since the next sweep mends
// what it leaves; the cosine gets a Newton step, since c^2 + s^2 must be 1 to the last bits.
FK_INLINE vf root_estimate(vf a) {
#if FK_ISA_LEVEL >= 2
    return {_mm512_rsqrt14_ps(a.v)};
#else
    return {_mm256_rsqrt_ps(a.v)};
#endif
}
FK_INLINE vf inverse_estimate(vf a) {
#if FK_ISA_LEVEL >= 2
    return {_mm512_rcp14_ps(a.v)};
#else
    return {_mm256_rcp_ps(a.v)};
#endif
}
FK_INLINE Turn<vf> turn_of(vf a, vf b, vf g, float /*type*/) {
    const vf one = splat(1.0F);
    const vf quotient = (b - a) * inverse_estimate(g + g);
    const vf z = min(abs(quotient), splat(1e18F)); // 1e18 too where the estimate overflows
    const vf w = fma(z, z, one);
    const vf size = inverse_estimate(fma(w, root_estimate(w), z));
    const vf t = select(gt(zero(), quotient), zero() - size, size);
    const vf u = fma(t, t, one);
    const vf c = root_estimate(u);
    const vf half = splat(0.5F) * c;
    const vf exact = fma(half, fnma(u * c, c, one), c);
    return {t, exact, exact * t};
}
#endif

// ROWS of them in registers; 0: as many as there are, read twice.
template <class T, int ROWS> FK_INLINE void turn_lanes(T* p, T* q, int rows, typename Wide<T>::v c, typename Wide<T>::v s) {
    constexpr int W = Wide<T>::width;
    const int n = ROWS > 0 ? ROWS : rows;
    FK_UNROLL
    for (int i = 0; i < n; ++i) {
        const auto xp = load(p + i * W);
        const auto xq = load(q + i * W);
        store(p + i * W, fnma(s, xq, c * xp));
        store(q + i * W, fma(s, xp, c * xq));
    }
}

template <class T, int ROWS> FK_INLINE typename Wide<T>::v lane_dots(const T* p, const T* q, int rows) {
    constexpr int W = Wide<T>::width;
    const int n = ROWS > 0 ? ROWS : rows;
    auto even = splat(T(0));
    auto odd = splat(T(0));
    FK_UNROLL
    for (int i = 0; i + 1 < n; i += 2) {
        even = fma(load(p + i * W), load(q + i * W), even);
        odd = fma(load(p + (i + 1) * W), load(q + (i + 1) * W), odd);
    }
    if (n % 2 != 0) {
        even = fma(load(p + (n - 1) * W), load(q + (n - 1) * W), even);
    }
    return even + odd;
}

// One sweep over all pairs; bits of the lanes in which a pair was not orthogonal yet.
template <class T, int M, int N> unsigned lanes_sweep(const SvdLanes<T>& l) {
    constexpr int W = Wide<T>::width;
    const int m = M > 0 ? M : l.m;
    const int n = N > 0 ? N : l.n;
    const auto tolerance = splat(l.tolerance * l.tolerance);
    const auto nothing = splat(T(0));
    const auto one = splat(T(1));
    for (int j = 0; j < n; ++j) {
        const T* x = l.x + static_cast<int64_t>(j) * m * W;
        store(l.squares + j * W, lane_dots<T, M>(x, x, m));
    }
    unsigned turned = 0;
    for (int i = 0; i < n * (n - 1) / 2; ++i) {
        const int p = l.pairs[2 * i];
        const int q = l.pairs[2 * i + 1];
        T* xp = l.x + static_cast<int64_t>(p) * m * W;
        T* xq = l.x + static_cast<int64_t>(q) * m * W;
        const auto a = load(l.squares + p * W);
        const auto b = load(l.squares + q * W);
        const auto g = lane_dots<T, M>(xp, xq, m);
        const auto apart = gt(g * g, tolerance * (a * b));
        if (mask_bits(apart) == 0) {
            continue;
        }
        turned |= mask_bits(apart);
        const auto turn = turn_of(a, b, select(apart, g, one), T(0));
        const auto t = select(apart, turn.t, nothing);
        const auto c = select(apart, turn.c, one);
        const auto s = select(apart, turn.s, nothing);
        store(l.squares + p * W, fnma(t, g, a));
        store(l.squares + q * W, fma(t, g, b));
        turn_lanes<T, M>(xp, xq, m, c, s);
        if (l.v != nullptr) {
            turn_lanes<T, N>(l.v + static_cast<int64_t>(p) * n * W, l.v + static_cast<int64_t>(q) * n * W, n, c, s);
        }
    }
    return turned;
}

template <class T, int M, int N> unsigned lanes_sweeps(const SvdLanes<T>& l) {
    unsigned turned = 1;
    for (int sweep = 0; sweep < l.most_sweeps && turned != 0; ++sweep) {
        turned = lanes_sweep<T, M, N>(l);
    }
    for (int j = 0; j < l.n; ++j) { // without what the updates have gathered in errors
        const T* x = l.x + static_cast<int64_t>(j) * l.m * Wide<T>::width;
        store(l.squares + j * Wide<T>::width, lane_dots<T, 0>(x, x, l.m));
    }
    return turned;
}

template <class T> unsigned lanes_jacobi(const SvdLanes<T>& l) {
    if (l.m == l.n) {
        switch (l.m) {
        case 2:
            return lanes_sweeps<T, 2, 2>(l);
        case 3:
            return lanes_sweeps<T, 3, 3>(l);
        case 4:
            return lanes_sweeps<T, 4, 4>(l);
        case 6:
            return lanes_sweeps<T, 6, 6>(l);
        case 8:
            return lanes_sweeps<T, 8, 8>(l);
        default:
            break;
        }
    }
    return lanes_sweeps<T, 0, 0>(l);
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
