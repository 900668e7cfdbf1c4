// The part of vec.hpp's vocabulary that the ops in float64 use, in the same three dialects, by overloading:
//
//   VLD                      doubles in a vector: 2, 4, 8
//   vd, md                   double and mask vectors
//   load store load_n store_n splat  load_wide (VLD floats -> double) store_narrow
//   + - * /  fma fnma max sqrt abs select gt mask_bits sum
//   Wide<T>                  the vector of T (type v) and its lanes (width)
#pragma once

#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
constexpr int VLD = 8;
struct vd {
    __m512d v;
};
struct md {
    __mmask8 v;
};
FK_INLINE __mmask8 first_doubles(int n) { return static_cast<__mmask8>((1U << n) - 1U); }
FK_INLINE vd splat(double x) { return {_mm512_set1_pd(x)}; }
FK_INLINE vd load(const double* p) { return {_mm512_loadu_pd(p)}; }
FK_INLINE void store(double* p, vd a) { _mm512_storeu_pd(p, a.v); }
FK_INLINE vd load_n(const double* p, int n) { return {_mm512_maskz_loadu_pd(first_doubles(n), p)}; }
FK_INLINE void store_n(double* p, vd a, int n) { _mm512_mask_storeu_pd(p, first_doubles(n), a.v); }
FK_INLINE vd load_wide(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
FK_INLINE void store_narrow(float* p, vd a) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(a.v)); }
FK_INLINE vd operator+(vd a, vd b) { return {_mm512_add_pd(a.v, b.v)}; }
FK_INLINE vd operator-(vd a, vd b) { return {_mm512_sub_pd(a.v, b.v)}; }
FK_INLINE vd operator*(vd a, vd b) { return {_mm512_mul_pd(a.v, b.v)}; }
FK_INLINE vd operator/(vd a, vd b) { return {_mm512_div_pd(a.v, b.v)}; }
FK_INLINE vd fma(vd a, vd b, vd c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
FK_INLINE vd fnma(vd a, vd b, vd c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
FK_INLINE vd max(vd a, vd b) { return {_mm512_max_pd(a.v, b.v)}; }
FK_INLINE vd sqrt(vd a) { return {_mm512_sqrt_pd(a.v)}; }
FK_INLINE vd abs(vd a) { return {_mm512_abs_pd(a.v)}; }
FK_INLINE md gt(vd a, vd b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ)}; }
FK_INLINE vd select(md m, vd a, vd b) { return {_mm512_mask_blend_pd(m.v, b.v, a.v)}; }
FK_INLINE unsigned mask_bits(md m) { return m.v; }
FK_INLINE double sum(vd a) {
    const __m256d y = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(y), _mm256_extractf128_pd(y, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}
FK_INLINE double maximum(vd a) { return _mm512_reduce_max_pd(a.v); }
#elif FK_ISA_LEVEL == 1
constexpr int VLD = 4;
struct vd {
    __m256d v;
};
struct md {
    __m256d v;
};
alignas(32) constexpr int64_t double_window[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
FK_INLINE __m256i first_doubles(int n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(double_window + 4 - n)); }
FK_INLINE vd splat(double x) { return {_mm256_set1_pd(x)}; }
FK_INLINE vd load(const double* p) { return {_mm256_loadu_pd(p)}; }
FK_INLINE void store(double* p, vd a) { _mm256_storeu_pd(p, a.v); }
FK_INLINE vd load_n(const double* p, int n) { return {_mm256_maskload_pd(p, first_doubles(n))}; }
FK_INLINE void store_n(double* p, vd a, int n) { _mm256_maskstore_pd(p, first_doubles(n), a.v); }
FK_INLINE vd load_wide(const float* p) { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
FK_INLINE void store_narrow(float* p, vd a) { _mm_storeu_ps(p, _mm256_cvtpd_ps(a.v)); }
FK_INLINE vd operator+(vd a, vd b) { return {_mm256_add_pd(a.v, b.v)}; }
FK_INLINE vd operator-(vd a, vd b) { return {_mm256_sub_pd(a.v, b.v)}; }
FK_INLINE vd operator*(vd a, vd b) { return {_mm256_mul_pd(a.v, b.v)}; }
FK_INLINE vd operator/(vd a, vd b) { return {_mm256_div_pd(a.v, b.v)}; }
FK_INLINE vd fma(vd a, vd b, vd c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
FK_INLINE vd fnma(vd a, vd b, vd c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
FK_INLINE vd max(vd a, vd b) { return {_mm256_max_pd(a.v, b.v)}; }
FK_INLINE vd sqrt(vd a) { return {_mm256_sqrt_pd(a.v)}; }
FK_INLINE vd abs(vd a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
FK_INLINE md gt(vd a, vd b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GT_OQ)}; }
FK_INLINE vd select(md m, vd a, vd b) { return {_mm256_blendv_pd(b.v, a.v, m.v)}; }
FK_INLINE unsigned mask_bits(md m) { return static_cast<unsigned>(_mm256_movemask_pd(m.v)); }
FK_INLINE double sum(vd a) {
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}
FK_INLINE double maximum(vd a) {
    const __m128d x = _mm_max_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
    return _mm_cvtsd_f64(_mm_max_sd(x, _mm_unpackhi_pd(x, x)));
}
#else
constexpr int VLD = 2;
using f64x2 = double __attribute__((vector_size(16)));
using i64x2 = int64_t __attribute__((vector_size(16)));
struct vd {
    f64x2 v;
};
struct md {
    i64x2 v;
};
FK_INLINE vd splat(double x) { return {f64x2{x, x}}; }
FK_INLINE vd load(const double* p) {
    vd r;
    __builtin_memcpy(&r.v, p, sizeof r.v);
    return r;
}
FK_INLINE void store(double* p, vd a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
FK_INLINE vd load_n(const double* p, int n) { return {f64x2{n > 0 ? p[0] : 0.0, n > 1 ? p[1] : 0.0}}; }
FK_INLINE void store_n(double* p, vd a, int n) {
    for (int i = 0; i < n; ++i) {
        p[i] = a.v[i];
    }
}
FK_INLINE vd load_wide(const float* p) { return {f64x2{p[0], p[1]}}; }
FK_INLINE void store_narrow(float* p, vd a) {
    p[0] = static_cast<float>(a.v[0]);
    p[1] = static_cast<float>(a.v[1]);
}
FK_INLINE vd operator+(vd a, vd b) { return {a.v + b.v}; }
FK_INLINE vd operator-(vd a, vd b) { return {a.v - b.v}; }
FK_INLINE vd operator*(vd a, vd b) { return {a.v * b.v}; }
FK_INLINE vd operator/(vd a, vd b) { return {a.v / b.v}; }
FK_INLINE vd fma(vd a, vd b, vd c) { return {a.v * b.v + c.v}; }
FK_INLINE vd fnma(vd a, vd b, vd c) { return {c.v - a.v * b.v}; }
FK_INLINE md gt(vd a, vd b) { return {a.v > b.v}; }
FK_INLINE vd select(md m, vd a, vd b) {
    return {reinterpret_cast<f64x2>((m.v & reinterpret_cast<i64x2>(a.v)) | (~m.v & reinterpret_cast<i64x2>(b.v)))};
}
FK_INLINE unsigned mask_bits(md m) { return (m.v[0] != 0 ? 1U : 0U) | (m.v[1] != 0 ? 2U : 0U); }
FK_INLINE vd max(vd a, vd b) { return select(gt(a, b), a, b); }
FK_INLINE vd sqrt(vd a) { return {f64x2{__builtin_sqrt(a.v[0]), __builtin_sqrt(a.v[1])}}; }
FK_INLINE vd abs(vd a) { return {f64x2{__builtin_fabs(a.v[0]), __builtin_fabs(a.v[1])}}; }
FK_INLINE double sum(vd a) { return a.v[0] + a.v[1]; }
FK_INLINE double maximum(vd a) { return a.v[0] > a.v[1] ? a.v[0] : a.v[1]; }
#endif

template <class T> struct Wide;
template <> struct Wide<float> {
    using v = vf;
    static constexpr int width = VL;
};
template <> struct Wide<double> {
    using v = vd;
    static constexpr int width = VLD;
};

} // namespace
} // namespace fk::FK_ISA
