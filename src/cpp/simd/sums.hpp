// The sums of as many vectors as a vector has lanes, each in its lane: a tree of additions that narrows all of them at once.
#pragma once

#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
FK_INLINE vf sums(const vf (&r)[16]) {
    __m512 q[4]; // of four vectors each: quarters of four sums
    FK_UNROLL
    for (int i = 0; i < 4; ++i) {
        const __m512 a =
            _mm512_add_ps(_mm512_unpacklo_ps(r[4 * i].v, r[4 * i + 1].v), _mm512_unpackhi_ps(r[4 * i].v, r[4 * i + 1].v));
        const __m512 b =
            _mm512_add_ps(_mm512_unpacklo_ps(r[4 * i + 2].v, r[4 * i + 3].v), _mm512_unpackhi_ps(r[4 * i + 2].v, r[4 * i + 3].v));
        q[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))));
    }
    const __m512 low = _mm512_add_ps(_mm512_shuffle_f32x4(q[0], q[1], 0x88), _mm512_shuffle_f32x4(q[0], q[1], 0xdd));
    const __m512 high = _mm512_add_ps(_mm512_shuffle_f32x4(q[2], q[3], 0x88), _mm512_shuffle_f32x4(q[2], q[3], 0xdd));
    return {_mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd))};
}
FK_INLINE vd sums(const vd (&r)[8]) {
    __m512d q[4];
    FK_UNROLL
    for (int i = 0; i < 4; ++i) {
        q[i] = _mm512_add_pd(_mm512_unpacklo_pd(r[2 * i].v, r[2 * i + 1].v), _mm512_unpackhi_pd(r[2 * i].v, r[2 * i + 1].v));
    }
    const __m512d low = _mm512_add_pd(_mm512_shuffle_f64x2(q[0], q[1], 0x88), _mm512_shuffle_f64x2(q[0], q[1], 0xdd));
    const __m512d high = _mm512_add_pd(_mm512_shuffle_f64x2(q[2], q[3], 0x88), _mm512_shuffle_f64x2(q[2], q[3], 0xdd));
    return {_mm512_add_pd(_mm512_shuffle_f64x2(low, high, 0x88), _mm512_shuffle_f64x2(low, high, 0xdd))};
}
#elif FK_ISA_LEVEL == 1
FK_INLINE vf sums(const vf (&r)[8]) {
    __m256 q[2]; // of four vectors each: halves of four sums
    FK_UNROLL
    for (int i = 0; i < 2; ++i) {
        q[i] = _mm256_hadd_ps(_mm256_hadd_ps(r[4 * i].v, r[4 * i + 1].v), _mm256_hadd_ps(r[4 * i + 2].v, r[4 * i + 3].v));
    }
    return {_mm256_add_ps(_mm256_permute2f128_ps(q[0], q[1], 0x20), _mm256_permute2f128_ps(q[0], q[1], 0x31))};
}
FK_INLINE vd sums(const vd (&r)[4]) {
    const __m256d a = _mm256_hadd_pd(r[0].v, r[1].v);
    const __m256d b = _mm256_hadd_pd(r[2].v, r[3].v);
    return {_mm256_add_pd(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31))};
}
#else
template <class V, int W> FK_INLINE V sums(const V (&r)[W]) {
    V result = r[0];
    FK_UNROLL
    for (int i = 0; i < W; ++i) {
        result.v[i] = sum(r[i]);
    }
    return result;
}
#endif

} // namespace
} // namespace fk::FK_ISA
