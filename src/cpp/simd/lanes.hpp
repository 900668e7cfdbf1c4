// Estimates and moves across lanes, beside the vocabulary of vec.hpp.
//
//   reciprocal(a) inverse_sqrt(a)   the processor's estimate and one step of Newton's iteration: a few units of the last place
//   evens(a, b) odds(a, b)          every second of 2 VL lanes, those of a first
//   lane_index()                    0, 1, ..., VL - 1
//   join_low(e, o) join_high(e, o)  e[0] o[0] e[1] o[1] ..., its first and its second VL lanes
#pragma once

#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

alignas(64) constexpr float lane_numbers_f32[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
FK_INLINE vf lane_index() { return load(lane_numbers_f32); }

#if FK_ISA_LEVEL >= 2

FK_INLINE vf reciprocal_estimate(vf a) { return {_mm512_rcp14_ps(a.v)}; }
FK_INLINE vf inverse_sqrt_estimate(vf a) { return {_mm512_rsqrt14_ps(a.v)}; }

FK_INLINE vf picked(vf a, vf b, __m512i which) { return {_mm512_permutex2var_ps(a.v, which, b.v)}; }
FK_INLINE vf evens(vf a, vf b) {
    return picked(a, b, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
}
FK_INLINE vf odds(vf a, vf b) {
    return picked(a, b, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
}
FK_INLINE vf join_low(vf e, vf o) {
    return picked(e, o, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
}
FK_INLINE vf join_high(vf e, vf o) {
    return picked(e, o, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
}

#elif FK_ISA_LEVEL == 1

FK_INLINE vf reciprocal_estimate(vf a) { return {_mm256_rcp_ps(a.v)}; }
FK_INLINE vf inverse_sqrt_estimate(vf a) { return {_mm256_rsqrt_ps(a.v)}; }

FK_INLINE vf quarters_in_order(__m256 a) { return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8))}; }
FK_INLINE vf evens(vf a, vf b) { return quarters_in_order(_mm256_shuffle_ps(a.v, b.v, 0x88)); }
FK_INLINE vf odds(vf a, vf b) { return quarters_in_order(_mm256_shuffle_ps(a.v, b.v, 0xdd)); }
FK_INLINE vf join_low(vf e, vf o) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(e.v, o.v), _mm256_unpackhi_ps(e.v, o.v), 0x20)};
}
FK_INLINE vf join_high(vf e, vf o) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(e.v, o.v), _mm256_unpackhi_ps(e.v, o.v), 0x31)};
}

#else

FK_INLINE vf evens(vf a, vf b) { return {f32x4{a.v[0], a.v[2], b.v[0], b.v[2]}}; }
FK_INLINE vf odds(vf a, vf b) { return {f32x4{a.v[1], a.v[3], b.v[1], b.v[3]}}; }
FK_INLINE vf join_low(vf e, vf o) { return {f32x4{e.v[0], o.v[0], e.v[1], o.v[1]}}; }
FK_INLINE vf join_high(vf e, vf o) { return {f32x4{e.v[2], o.v[2], e.v[3], o.v[3]}}; }

#endif

#if FK_ISA_LEVEL >= 1
FK_INLINE vf reciprocal(vf a) {
    const vf x = reciprocal_estimate(a);
    return fma(x, fnma(a, x, splat(1.0F)), x);
}
FK_INLINE vf inverse_sqrt(vf a) {
    const vf x = inverse_sqrt_estimate(a);
    return x * fnma(splat(0.5F) * a * x, x, splat(1.5F));
}
#else
FK_INLINE vf reciprocal(vf a) { return splat(1.0F) / a; }
FK_INLINE vf inverse_sqrt(vf a) { return splat(1.0F) / sqrt(a); }
#endif

} // namespace
} // namespace fk::FK_ISA
