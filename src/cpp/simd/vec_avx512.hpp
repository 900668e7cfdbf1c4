// Sixteen lanes in ZMM registers, with mask registers.
#pragma once

#include <immintrin.h>

namespace fk::FK_ISA {
namespace {

constexpr int VL = 16;
struct vf {
    __m512 v;
};
struct vi {
    __m512i v;
};
struct vm {
    __mmask16 v;
};

// The lower half of a vector, in a YMM register. Where a block holds no more channels than that, a processor that does 512
// bits in two passes takes half the time, and one that does not loses nothing.
#define FK_HALVES 1
struct vh {
    __m256 v;
};
FK_INLINE vh low(vf a) { return {_mm512_castps512_ps256(a.v)}; }
FK_INLINE vh splat_low(float x) { return {_mm256_set1_ps(x)}; }
FK_INLINE vh load_low(const float* p) { return {_mm256_loadu_ps(p)}; }
FK_INLINE void store(float* p, vh a) { _mm256_storeu_ps(p, a.v); }
FK_INLINE vh operator+(vh a, vh b) { return {_mm256_add_ps(a.v, b.v)}; }
FK_INLINE vh fma(vh a, vh b, vh c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
FK_INLINE vh min(vh a, vh b) { return {_mm256_min_ps(a.v, b.v)}; }
FK_INLINE vh max(vh a, vh b) { return {_mm256_max_ps(a.v, b.v)}; }

FK_INLINE __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1U << n) - 1U); }

FK_INLINE vf splat(float x) { return {_mm512_set1_ps(x)}; }
FK_INLINE vi splat_i(int32_t x) { return {_mm512_set1_epi32(x)}; }
FK_INLINE vf zero() { return {_mm512_setzero_ps()}; }
FK_INLINE vf load(const float* p) { return {_mm512_loadu_ps(p)}; }
FK_INLINE void store(float* p, vf a) { _mm512_storeu_ps(p, a.v); }
// Upper halves of floats.
FK_INLINE vf load(const uint16_t* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
FK_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }
FK_INLINE vf load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
FK_INLINE void store_n(float* p, vf a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
FK_INLINE vi load_i(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
FK_INLINE void store_i(int32_t* p, vi a) { _mm512_storeu_si512(p, a.v); }
FK_INLINE vf gather(const float* p, vi i) { return {_mm512_i32gather_ps(i.v, p, 4)}; }
FK_INLINE vi gather_i(const int32_t* p, vi i) { return {_mm512_i32gather_epi32(i.v, p, 4)}; }
FK_INLINE vi load_u8(const uint8_t* p) { return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }
FK_INLINE vi load_i8(const int8_t* p) { return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }
FK_INLINE void store_u8(uint8_t* p, vi a) {
    const __m512i floored = _mm512_max_epi32(a.v, _mm512_setzero_si512());
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(floored));
}

FK_INLINE vf operator+(vf a, vf b) { return {_mm512_add_ps(a.v, b.v)}; }
FK_INLINE vf operator-(vf a, vf b) { return {_mm512_sub_ps(a.v, b.v)}; }
FK_INLINE vf operator*(vf a, vf b) { return {_mm512_mul_ps(a.v, b.v)}; }
FK_INLINE vf operator/(vf a, vf b) { return {_mm512_div_ps(a.v, b.v)}; }
FK_INLINE vi operator+(vi a, vi b) { return {_mm512_add_epi32(a.v, b.v)}; }
FK_INLINE vi operator-(vi a, vi b) { return {_mm512_sub_epi32(a.v, b.v)}; }
FK_INLINE vi operator*(vi a, vi b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
FK_INLINE vi operator&(vi a, vi b) { return {_mm512_and_si512(a.v, b.v)}; }
FK_INLINE vi operator|(vi a, vi b) { return {_mm512_or_si512(a.v, b.v)}; }
FK_INLINE vf fma(vf a, vf b, vf c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
FK_INLINE vf fnma(vf a, vf b, vf c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
FK_INLINE vf min(vf a, vf b) { return {_mm512_min_ps(a.v, b.v)}; }
FK_INLINE vf max(vf a, vf b) { return {_mm512_max_ps(a.v, b.v)}; }
FK_INLINE vi min_i(vi a, vi b) { return {_mm512_min_epi32(a.v, b.v)}; }
FK_INLINE vi max_i(vi a, vi b) { return {_mm512_max_epi32(a.v, b.v)}; }
FK_INLINE vm lt(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
FK_INLINE vm le(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
FK_INLINE vm gt(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
FK_INLINE vm ge(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
FK_INLINE vm eq(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
FK_INLINE vm lt_i(vi a, vi b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
FK_INLINE vm gt_i(vi a, vi b) { return {_mm512_cmpgt_epi32_mask(a.v, b.v)}; }
FK_INLINE vf select(vm m, vf a, vf b) { return {_mm512_mask_blend_ps(m.v, b.v, a.v)}; }
FK_INLINE vi select_i(vm m, vi a, vi b) { return {_mm512_mask_blend_epi32(m.v, b.v, a.v)}; }
FK_INLINE unsigned mask_bits(vm m) { return m.v; }
FK_INLINE vf bits_float(vi a) { return {_mm512_castsi512_ps(a.v)}; }
FK_INLINE vi bits_int(vf a) { return {_mm512_castps_si512(a.v)}; }
FK_INLINE vf abs(vf a) { return bits_float(bits_int(a) & splat_i(0x7fffffff)); }
FK_INLINE vf sqrt(vf a) { return {_mm512_sqrt_ps(a.v)}; }
FK_INLINE vi to_int(vf a) { return {_mm512_cvttps_epi32(a.v)}; }
FK_INLINE vi round_int(vf a) { return {_mm512_cvtps_epi32(a.v)}; }
FK_INLINE vf to_float(vi a) { return {_mm512_cvtepi32_ps(a.v)}; }
FK_INLINE vi shl(vi a, int n) { return {_mm512_slli_epi32(a.v, static_cast<unsigned>(n))}; }
FK_INLINE vi shr(vi a, int n) { return {_mm512_srai_epi32(a.v, static_cast<unsigned>(n))}; }
FK_INLINE float sum(vf a) {
    const __m256 y = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    const __m128 w = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(w, _mm_shuffle_ps(w, w, 1)));
}
FK_INLINE float maximum(vf a) {
    const __m256 y = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const __m128 x = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    const __m128 w = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(w, _mm_shuffle_ps(w, w, 1)));
}

} // namespace
} // namespace fk::FK_ISA
