// Eight windows: AVX2.
#pragma once

#include "ops/cascade/resize_eight.inl.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

struct Vec256 {
    using I = __m256i;
    using F = __m256;
    using M = __m256;
    struct D {
        __m256d low, high;
    };
    static constexpr int lanes = 8, dense_lanes = 2, gather_lanes = 5;

    static I load(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static F load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
    static I gather(const int32_t* p, I at) { return _mm256_i32gather_epi32(p, at, 4); }
    static F gather(const float* p, I at) { return _mm256_i32gather_ps(p, at, 4); }
    static I zero() { return _mm256_setzero_si256(); }
    static I add(I a, I b) { return _mm256_add_epi32(a, b); }
    static I sub(I a, I b) { return _mm256_sub_epi32(a, b); }
    static I or_if_not_less(I code, I a, I b, int bit) {
        return _mm256_or_si256(code, _mm256_andnot_si256(_mm256_cmpgt_epi32(b, a), _mm256_set1_epi32(bit)));
    }
    static F set(float a) { return _mm256_set1_ps(a); }
    static F to_float(I a) { return _mm256_cvtepi32_ps(a); }
    static F add(F a, F b) { return _mm256_add_ps(a, b); }
    static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
    static M less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
    static F choose(M m, F yes, F no) { return _mm256_blendv_ps(no, yes, m); }
    static M all() { return _mm256_castsi256_ps(_mm256_set1_epi32(-1)); }
    static M none() { return _mm256_setzero_ps(); }
    static bool any(M a) { return _mm256_movemask_ps(a) != 0; }
    static M both(M a, M b) { return _mm256_and_ps(a, b); }
    static M either(M a, M b) { return _mm256_or_ps(a, b); }
    static M first_only(M a, M b) { return _mm256_andnot_ps(b, a); }

    static D zero_votes() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
    static D add_votes(D v, F a) {
        return {_mm256_add_pd(v.low, _mm256_cvtps_pd(_mm256_castps256_ps128(a))),
                _mm256_add_pd(v.high, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)))};
    }
    static uint32_t votes_reach(D v, double threshold) {
        const __m256d t = _mm256_set1_pd(threshold);
        return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_cmp_pd(v.low, t, _CMP_GE_OQ))) |
               (static_cast<uint32_t>(_mm256_movemask_pd(_mm256_cmp_pd(v.high, t, _CMP_GE_OQ))) << 4);
    }
    static D load_votes(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
    static void store_votes(double* p, D v) {
        _mm256_storeu_pd(p, v.low);
        _mm256_storeu_pd(p + 4, v.high);
    }

    // Unsigned 32-bit to double: the low half as a signed number, plus 2^32 where the sign bit was set; both exact.
    static __m256d unsigned_to_double(__m128i a) {
        const __m256d d = _mm256_cvtepi32_pd(a);
        const __m256d negative = _mm256_cmp_pd(d, _mm256_setzero_pd(), _CMP_LT_OQ);
        return _mm256_add_pd(d, _mm256_and_pd(negative, _mm256_set1_pd(4294967296.0)));
    }
    static __m128 inverse_half(__m128i sum, __m128i square, double area, uint32_t& valid) {
        const __m256d s = _mm256_cvtepi32_pd(sum), q = unsigned_to_double(square), a = _mm256_set1_pd(area);
        const __m256d n = _mm256_sub_pd(_mm256_mul_pd(a, q), _mm256_mul_pd(s, s));
        const __m256d positive = _mm256_cmp_pd(n, _mm256_setzero_pd(), _CMP_GT_OQ);
        const __m128 inverse = _mm256_cvtpd_ps(_mm256_div_pd(_mm256_set1_pd(1.0), _mm256_sqrt_pd(_mm256_and_pd(n, positive))));
        const __m256d contrast = _mm256_mul_pd(a, _mm256_cvtps_pd(inverse));
        const __m256d enough = _mm256_cmp_pd(contrast, _mm256_set1_pd(1e-1), _CMP_LT_OQ);
        valid = static_cast<uint32_t>(_mm256_movemask_pd(_mm256_and_pd(enough, positive)));
        return inverse;
    }
    static F inverse_deviation(I sum, I square, double area, uint32_t& valid) {
        uint32_t low = 0, high = 0;
        const __m128 a = inverse_half(_mm256_castsi256_si128(sum), _mm256_castsi256_si128(square), area, low);
        const __m128 b = inverse_half(_mm256_extracti128_si256(sum, 1), _mm256_extracti128_si256(square, 1), area, high);
        valid = low | (high << 4);
        return _mm256_insertf128_ps(_mm256_castps128_ps256(a), b, 1);
    }

    static I load_bytes(const uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
    static void store(int32_t* p, I a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a); }
    static I square(I a) { return _mm256_madd_epi16(a, a); } // below 2^15: the upper halves are zero
    static I prefix(I a) {
        a = _mm256_add_epi32(a, _mm256_slli_si256(a, 4));
        a = _mm256_add_epi32(a, _mm256_slli_si256(a, 8));
        const I low_total = _mm256_permutevar8x32_epi32(a, _mm256_set1_epi32(3));
        return _mm256_add_epi32(a, _mm256_blend_epi32(zero(), low_total, 0xF0));
    }
    static I last(I a) { return _mm256_permutevar8x32_epi32(a, _mm256_set1_epi32(7)); }
    // Lane 2j is column x+2j+1 (odd), lane 2j+1 column x+2j+2 (even).
    static void add_store_split(I a, const int32_t* above, int32_t* out, int32_t at, int32_t half) {
        const I split = _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
        const auto put = [](const int32_t* from, int32_t* to, __m128i v) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                             _mm_add_epi32(v, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
        };
        put(above + half + at, out + half + at, _mm256_castsi256_si128(split));
        put(above + at + 1, out + at + 1, _mm256_extracti128_si256(split, 1));
    }
    static void store_blend(uint8_t* out, I upper, I lower, int32_t w0, int32_t w1) {
        const I mixed =
            _mm256_add_epi32(_mm256_mullo_epi32(upper, _mm256_set1_epi32(w0)), _mm256_mullo_epi32(lower, _mm256_set1_epi32(w1)));
        const I rounded = _mm256_srli_epi32(_mm256_add_epi32(mixed, _mm256_set1_epi32(1 << 15)), 16);
        const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(words, words));
    }
    static void resize8(const uint8_t* row, const ResizeTap* taps, int32_t* out) { resize_eight(row, taps, out); }
};

} // namespace
} // namespace fk::FK_ISA
