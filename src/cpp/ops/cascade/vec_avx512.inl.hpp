// Sixteen windows: AVX-512 F, BW, DQ, VL.
#pragma once

#include "ops/cascade/resize_eight.inl.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

struct Vec512 {
    using I = __m512i;
    using F = __m512;
    using M = __mmask16;
    struct D {
        __m512d low, high;
    };
    static constexpr int lanes = 16, dense_lanes = 3, gather_lanes = 7;

    static I load(const int32_t* p) { return _mm512_loadu_si512(p); }
    static F load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
    static I gather(const int32_t* p, I at) { return _mm512_i32gather_epi32(at, p, 4); }
    static F gather(const float* p, I at) { return _mm512_i32gather_ps(at, p, 4); }
    static I zero() { return _mm512_setzero_si512(); }
    static I add(I a, I b) { return _mm512_add_epi32(a, b); }
    static I sub(I a, I b) { return _mm512_sub_epi32(a, b); }
    static I or_if_not_less(I code, I a, I b, int bit) {
        return _mm512_mask_or_epi32(code, _mm512_cmpge_epi32_mask(a, b), code, _mm512_set1_epi32(bit));
    }
    static F set(float a) { return _mm512_set1_ps(a); }
    static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
    static F add(F a, F b) { return _mm512_add_ps(a, b); }
    static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
    static M less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
    static F choose(M m, F yes, F no) { return _mm512_mask_blend_ps(m, no, yes); }
    static M all() { return 0xFFFF; }
    static M none() { return 0; }
    static bool any(M a) { return a != 0; }
    static M both(M a, M b) { return static_cast<M>(a & b); }
    static M either(M a, M b) { return static_cast<M>(a | b); }
    static M first_only(M a, M b) { return static_cast<M>(a & ~b); }

    static D zero_votes() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
    static D add_votes(D v, F a) {
        return {_mm512_add_pd(v.low, _mm512_cvtps_pd(_mm512_castps512_ps256(a))),
                _mm512_add_pd(v.high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)))};
    }
    static uint32_t votes_reach(D v, double threshold) {
        const __m512d t = _mm512_set1_pd(threshold);
        return static_cast<uint32_t>(_mm512_cmp_pd_mask(v.low, t, _CMP_GE_OQ)) |
               (static_cast<uint32_t>(_mm512_cmp_pd_mask(v.high, t, _CMP_GE_OQ)) << 8);
    }
    static D load_votes(const double* p) { return {_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}; }
    static void store_votes(double* p, D v) {
        _mm512_storeu_pd(p, v.low);
        _mm512_storeu_pd(p + 8, v.high);
    }

    static __m256 inverse_half(__m256i sum, __m256i square, double area, uint32_t& valid) {
        const __m512d s = _mm512_cvtepi32_pd(sum), q = _mm512_cvtepu32_pd(square), a = _mm512_set1_pd(area);
        const __m512d n = _mm512_sub_pd(_mm512_mul_pd(a, q), _mm512_mul_pd(s, s));
        const __mmask8 positive = _mm512_cmp_pd_mask(n, _mm512_setzero_pd(), _CMP_GT_OQ);
        const __m256 inverse = _mm512_cvtpd_ps(_mm512_div_pd(_mm512_set1_pd(1.0), _mm512_maskz_sqrt_pd(positive, n)));
        const __m512d contrast = _mm512_mul_pd(a, _mm512_cvtps_pd(inverse));
        valid = _mm512_mask_cmp_pd_mask(positive, contrast, _mm512_set1_pd(1e-1), _CMP_LT_OQ);
        return inverse;
    }
    static F inverse_deviation(I sum, I square, double area, uint32_t& valid) {
        uint32_t low = 0, high = 0;
        const __m256 a = inverse_half(_mm512_castsi512_si256(sum), _mm512_castsi512_si256(square), area, low);
        const __m256 b = inverse_half(_mm512_extracti64x4_epi64(sum, 1), _mm512_extracti64x4_epi64(square, 1), area, high);
        valid = low | (high << 8);
        return _mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1);
    }

    static I load_bytes(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
    static void store(int32_t* p, I a) { _mm512_storeu_si512(p, a); }
    static I square(I a) { return _mm512_madd_epi16(a, a); } // below 2^15: the upper halves are zero
    static I prefix(I a) {
        a = _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero(), 15));
        a = _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero(), 14));
        a = _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero(), 12));
        return _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero(), 8));
    }
    static I last(I a) { return _mm512_permutexvar_epi32(_mm512_set1_epi32(15), a); }
    // Lane 2j is column x+2j+1 (odd), lane 2j+1 column x+2j+2 (even).
    static void add_store_split(I a, const int32_t* above, int32_t* out, int32_t at, int32_t half) {
        const I order = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
        const I split = _mm512_permutexvar_epi32(order, a);
        const auto put = [](const int32_t* from, int32_t* to, __m256i v) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                                _mm256_add_epi32(v, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
        };
        put(above + half + at, out + half + at, _mm512_castsi512_si256(split));
        put(above + at + 1, out + at + 1, _mm512_extracti64x4_epi64(split, 1));
    }
    static void store_blend(uint8_t* out, I upper, I lower, int32_t w0, int32_t w1) {
        const I mixed =
            _mm512_add_epi32(_mm512_mullo_epi32(upper, _mm512_set1_epi32(w0)), _mm512_mullo_epi32(lower, _mm512_set1_epi32(w1)));
        const I rounded = _mm512_srli_epi32(_mm512_add_epi32(mixed, _mm512_set1_epi32(1 << 15)), 16);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8(rounded));
    }
    static void resize8(const uint8_t* row, const ResizeTap* taps, int32_t* out) { resize_eight(row, taps, out); }
};

} // namespace
} // namespace fk::FK_ISA
