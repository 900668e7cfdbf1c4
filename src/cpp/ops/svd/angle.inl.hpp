// Angles of one-sided Jacobi (M. R. Hestenes, "Inversion of matrices by biorthogonalization", 1958). A rotation of columns p, q
// with squares a = |x_p|^2, b = |x_q|^2 and product g = x_p . x_q by the angle f,
//   h = b - a,  r = sqrt(h^2 + 4 g^2),  tan f = 2 g / (r + |h|), or its complement where that brings the larger column first,
// is done as three shears (two multiplications with c and two with s are four instructions, these are three):
//   x_p += k x_q,  x_q -= s x_p,  x_p += k x_q,  k = tan(f / 2),  s = sin f = 2 k / (1 + k^2).
// k may be a little off, since the next sweep mends what an angle leaves; s belongs to k to the last bits. Numbers are so large
// that products of four can be told from zero.
#pragma once

#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

template <class T> struct Angle {
    typename Wide<T>::v k, s;
};

// 1 / a and 1 / sqrt(a): of float32 the processor's estimates (12 or 14 bits).
FK_INLINE vd root_of(vd a) { return sqrt(a); }
FK_INLINE vd inverse_of(vd a) { return splat(1.0) / a; }
#if FK_ISA_LEVEL >= 2
FK_INLINE vf root_of(vf a) { return {_mm512_mul_ps(a.v, _mm512_rsqrt14_ps(a.v))}; }
FK_INLINE vf inverse_of(vf a) { return {_mm512_rcp14_ps(a.v)}; }
#elif FK_ISA_LEVEL == 1
FK_INLINE vf root_of(vf a) { return {_mm256_mul_ps(a.v, _mm256_rsqrt_ps(a.v))}; }
FK_INLINE vf inverse_of(vf a) { return {_mm256_rcp_ps(a.v)}; }
#else
FK_INLINE vf root_of(vf a) { return sqrt(a); }
FK_INLINE vf inverse_of(vf a) { return splat(1.0F) / a; }
#endif
// 1 / a to the last bits: one step of Newton's behind an estimate.
FK_INLINE vd sharp_inverse(vd a) { return splat(1.0) / a; }
FK_INLINE vf sharp_inverse(vf a) {
    const vf y = inverse_of(a);
    return fma(y, fnma(a, y, splat(1.0F)), y);
}
// tan(f / 2) / tan f = 1 / (1 + sqrt(1 + u)) for u = tan^2 f from 0 to 1; of float32 to 1e-3, exact at 0.
FK_INLINE vd half_angle(vd u) { return splat(1.0) / (splat(1.0) + sqrt(splat(1.0) + u)); }
FK_INLINE vf half_angle(vf u) { return fma(u, fma(u, splat(0.0355F), splat(-0.1213F)), splat(0.5F)); }
// Far below every square of a difference that counts: what would be 0 / 0 becomes 0.
FK_INLINE vd next_to_nothing(double /*type*/) { return splat(1e-280); }
FK_INLINE vf next_to_nothing(float /*type*/) { return splat(1e-30F); }

// The angle of one pair, zeros where it is not apart; a and b become the squares after it. SORTED: the larger column comes first.
template <class T, bool SORTED, class V, class M> FK_INLINE void angle_of(V& a, V& b, V g, M apart, Angle<T>& to) {
    const V nothing = splat(T(0));
    const V one = splat(T(1));
    const V product = select(apart, g, nothing);
    const V h = select(apart, b - a, nothing);
    const V twice = product + product;
    const V r = root_of(fma(h, h, fma(twice, twice, next_to_nothing(T(0)))));
    const V t = abs(twice) * inverse_of(abs(h) + r);
    const auto flip = gt(h, nothing);
    const V half = t * half_angle(t * t);
    const V moved = t * abs(product);
    if constexpr (SORTED) {
        const V size = select(flip, (one - half) * sharp_inverse(one + half), half);
        to.k = select(gt(nothing, product), nothing - size, size);
        const V larger = select(flip, b, a) + moved;
        b = select(flip, a, b) - moved;
        a = larger;
    } else {
        const V sign = select(flip, nothing - product, product);
        to.k = select(gt(nothing, sign), nothing - half, half);
        const V to_first = select(flip, nothing - moved, moved);
        a = a + to_first;
        b = b - to_first;
    }
    to.s = (to.k + to.k) * sharp_inverse(fma(to.k, to.k, one));
}

} // namespace
} // namespace fk::FK_ISA
