// Eight lanes in YMM registers, with FMA.
#pragma once

#include <immintrin.h>

namespace fk::FK_ISA {
namespace {

constexpr int VL = 8;
struct vf {
    __m256 v;
};
struct vi {
    __m256i v;
};
struct vm {
    __m256 v; // all ones or zero
};

// Lanes below n: a sliding window over eight ones and eight zeros.
alignas(32) constexpr int32_t lane_window[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
FK_INLINE __m256i first_lanes(int n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lane_window + 8 - n)); }

FK_INLINE vf splat(float x) { return {_mm256_set1_ps(x)}; }
FK_INLINE vi splat_i(int32_t x) { return {_mm256_set1_epi32(x)}; }
FK_INLINE vf zero() { return {_mm256_setzero_ps()}; }
FK_INLINE vf load(const float* p) { return {_mm256_loadu_ps(p)}; }
FK_INLINE void store(float* p, vf a) { _mm256_storeu_ps(p, a.v); }
// Upper halves of floats.
FK_INLINE vf load(const uint16_t* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16))};
}
FK_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }
FK_INLINE vf load_n(const float* p, int n) { return {_mm256_maskload_ps(p, first_lanes(n))}; }
FK_INLINE void store_n(float* p, vf a, int n) { _mm256_maskstore_ps(p, first_lanes(n), a.v); }
FK_INLINE vi load_i(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
FK_INLINE void store_i(int32_t* p, vi a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
FK_INLINE vf gather(const float* p, vi i) { return {_mm256_i32gather_ps(p, i.v, 4)}; }
FK_INLINE vi gather_i(const int32_t* p, vi i) { return {_mm256_i32gather_epi32(p, i.v, 4)}; }
FK_INLINE vi load_u8(const uint8_t* p) { return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))}; }
FK_INLINE vi load_i8(const int8_t* p) { return {_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))}; }
FK_INLINE void store_u8(uint8_t* p, vi a) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

FK_INLINE vf operator+(vf a, vf b) { return {_mm256_add_ps(a.v, b.v)}; }
FK_INLINE vf operator-(vf a, vf b) { return {_mm256_sub_ps(a.v, b.v)}; }
FK_INLINE vf operator*(vf a, vf b) { return {_mm256_mul_ps(a.v, b.v)}; }
FK_INLINE vf operator/(vf a, vf b) { return {_mm256_div_ps(a.v, b.v)}; }
FK_INLINE vi operator+(vi a, vi b) { return {_mm256_add_epi32(a.v, b.v)}; }
FK_INLINE vi operator-(vi a, vi b) { return {_mm256_sub_epi32(a.v, b.v)}; }
FK_INLINE vi operator*(vi a, vi b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
FK_INLINE vi operator&(vi a, vi b) { return {_mm256_and_si256(a.v, b.v)}; }
FK_INLINE vi operator|(vi a, vi b) { return {_mm256_or_si256(a.v, b.v)}; }
FK_INLINE vf fma(vf a, vf b, vf c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
FK_INLINE vf fnma(vf a, vf b, vf c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
FK_INLINE vf min(vf a, vf b) { return {_mm256_min_ps(a.v, b.v)}; }
FK_INLINE vf max(vf a, vf b) { return {_mm256_max_ps(a.v, b.v)}; }
FK_INLINE vi min_i(vi a, vi b) { return {_mm256_min_epi32(a.v, b.v)}; }
FK_INLINE vi max_i(vi a, vi b) { return {_mm256_max_epi32(a.v, b.v)}; }
FK_INLINE vm lt(vf a, vf b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
FK_INLINE vm le(vf a, vf b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
FK_INLINE vm gt(vf a, vf b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
FK_INLINE vm ge(vf a, vf b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
FK_INLINE vm eq(vf a, vf b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
FK_INLINE vm lt_i(vi a, vi b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.v, a.v))}; }
FK_INLINE vm gt_i(vi a, vi b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.v, b.v))}; }
FK_INLINE vf select(vm m, vf a, vf b) { return {_mm256_blendv_ps(b.v, a.v, m.v)}; }
FK_INLINE vi select_i(vm m, vi a, vi b) { return {_mm256_blendv_epi8(b.v, a.v, _mm256_castps_si256(m.v))}; }
FK_INLINE unsigned mask_bits(vm m) { return static_cast<unsigned>(_mm256_movemask_ps(m.v)); }
FK_INLINE vf bits_float(vi a) { return {_mm256_castsi256_ps(a.v)}; }
FK_INLINE vi bits_int(vf a) { return {_mm256_castps_si256(a.v)}; }
FK_INLINE vf abs(vf a) { return bits_float(bits_int(a) & splat_i(0x7fffffff)); }
FK_INLINE vf sqrt(vf a) { return {_mm256_sqrt_ps(a.v)}; }
FK_INLINE vi to_int(vf a) { return {_mm256_cvttps_epi32(a.v)}; }
FK_INLINE vi round_int(vf a) { return {_mm256_cvtps_epi32(a.v)}; }
FK_INLINE vf to_float(vi a) { return {_mm256_cvtepi32_ps(a.v)}; }
FK_INLINE vi shl(vi a, int n) { return {_mm256_slli_epi32(a.v, n)}; }
FK_INLINE vi shr(vi a, int n) { return {_mm256_srai_epi32(a.v, n)}; }
FK_INLINE float sum(vf a) {
    const __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    const __m128 y = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_shuffle_ps(y, y, 1)));
}
FK_INLINE float maximum(vf a) {
    const __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    const __m128 y = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_shuffle_ps(y, y, 1)));
}

} // namespace
} // namespace fk::FK_ISA
