// Sixteen int32 lanes, whatever the width of the set: what 8-bit layers sum in. One lane is one output channel.
//
//   lanes16    sixteen int32 sums;   floats16   the same as float32
//   words16    four neighbouring bytes of x (uint8), in every lane
//   weights16  for each lane the weights of one step
//   HALVES     1: a step takes all four bytes of a word (vpdpbusd); 2: bytes 0 and 2, then bytes 1 and 3, as int16 pairs
//              (vpmaddwd: a product is at most 255 * 128, so a pair's sum is exact). vpmaddubsw would saturate.
//   spread(p), half<H>(words), dot(acc, words, weights)      acc + sum over the bytes of x * w, modulo 2^32
//
// Weights of a step are 64 bytes for each half: [16 lanes][4] int8, or [16 lanes][2] int16 (load_weights), which dense
// layers keep as [16 lanes][2] int8 (load_narrow): they are bound by memory.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#define FK_INLINE static inline __attribute__((always_inline))
#define FK_UNROLL _Pragma("GCC unroll 32")

namespace fk::FK_ISA {
namespace {

FK_INLINE int32_t word_at(const void* p) {
    int32_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

#if FK_ISA_LEVEL >= 2

struct lanes16 {
    __m512i v;
};
struct floats16 {
    __m512 v;
};
struct words16 {
    __m512i v;
};
struct weights16 {
    __m512i v;
};

FK_INLINE lanes16 load_lanes(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
FK_INLINE void store_lanes(int32_t* p, lanes16 a) { _mm512_storeu_si512(p, a.v); }
FK_INLINE lanes16 no_lanes() { return {_mm512_setzero_si512()}; }
FK_INLINE lanes16 operator+(lanes16 a, lanes16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
FK_INLINE lanes16 bytes_to_lanes(const uint8_t* p) {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
FK_INLINE floats16 load_floats(const float* p) { return {_mm512_loadu_ps(p)}; }
FK_INLINE void store_floats(float* p, floats16 a) { _mm512_storeu_ps(p, a.v); }
FK_INLINE void store_floats_n(float* p, floats16 a, int n) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1), a.v);
}
FK_INLINE floats16 splat16(float x) { return {_mm512_set1_ps(x)}; }
FK_INLINE floats16 to_floats(lanes16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
FK_INLINE floats16 operator*(floats16 a, floats16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
FK_INLINE floats16 operator+(floats16 a, floats16 b) { return {_mm512_add_ps(a.v, b.v)}; }
// The second operand where one is NaN.
FK_INLINE floats16 max(floats16 a, floats16 b) { return {_mm512_max_ps(a.v, b.v)}; }
FK_INLINE floats16 min(floats16 a, floats16 b) { return {_mm512_min_ps(a.v, b.v)}; }
// Values in [0, 255], rounded to the nearest, ties to even, as 16 bytes.
FK_INLINE void store_bytes(uint8_t* p, floats16 a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}

// Values of sixteen lanes each, below 2^31, from number I on, one after the other: rounded, not below `low`. Numbers below 0
// become 0 when they are packed, four vectors into one. Recursive, so that every index is a constant.
template <int N, int I = 0> FK_INLINE void store_run(uint8_t* p, const floats16 (&a)[N], float low) {
    const __m512i least = _mm512_set1_epi8(static_cast<char>(static_cast<uint8_t>(low)));
    if constexpr (I + 4 <= N) {
        const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
        const __m512i first = _mm512_packus_epi32(_mm512_cvtps_epi32(a[I].v), _mm512_cvtps_epi32(a[I + 1].v));
        const __m512i second = _mm512_packus_epi32(_mm512_cvtps_epi32(a[I + 2].v), _mm512_cvtps_epi32(a[I + 3].v));
        const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
        _mm512_storeu_si512(p + I * 16, _mm512_max_epu8(bytes, least));
        store_run<N, I + 4>(p, a, low);
    } else if constexpr (I < N) {
        const __m512i whole = _mm512_max_epi32(_mm512_cvtps_epi32(a[I].v), _mm512_setzero_si512());
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p + I * 16),
                         _mm_max_epu8(_mm512_cvtusepi32_epi8(whole), _mm512_castsi512_si128(least)));
        store_run<N, I + 1>(p, a, low);
    }
}

FK_INLINE words16 spread(const uint8_t* p) { return {_mm512_set1_epi32(word_at(p))}; }
FK_INLINE weights16 load_weights(const void* p) { return {_mm512_loadu_si512(p)}; }

#if FK_ISA_LEVEL >= 3
constexpr int HALVES = 1;
template <int H> FK_INLINE words16 half(words16 x) { return x; }
FK_INLINE lanes16 dot(lanes16 acc, words16 x, weights16 w) { return {_mm512_dpbusd_epi32(acc.v, x.v, w.v)}; }
constexpr int narrow_bytes = 64;
FK_INLINE weights16 load_narrow(const void* p) { return load_weights(p); }
#else
constexpr int HALVES = 2;
template <int H> FK_INLINE words16 half(words16 x) {
    return {H == 0 ? _mm512_and_si512(x.v, _mm512_set1_epi32(0x00ff00ff)) : _mm512_srli_epi16(x.v, 8)};
}
// Nothing is done to the sum, but the compiler may not see through: it would add the products of two halves first, and keep
// them all until then, in more registers than there are.
FK_INLINE lanes16 dot(lanes16 acc, words16 x, weights16 w) {
    __m512i sum = _mm512_add_epi32(acc.v, _mm512_madd_epi16(x.v, w.v));
    __asm__("" : "+v"(sum));
    return {sum};
}
constexpr int narrow_bytes = 32;
FK_INLINE weights16 load_narrow(const void* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
#endif

#else // two vectors of eight

struct lanes16 {
    __m256i lo, hi;
};
struct floats16 {
    __m256 lo, hi;
};
struct words16 {
    __m256i v;
};
struct weights16 {
    __m256i lo, hi;
};

FK_INLINE __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
FK_INLINE lanes16 load_lanes(const int32_t* p) { return {load256(p), load256(p + 8)}; }
FK_INLINE void store_lanes(int32_t* p, lanes16 a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.lo);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), a.hi);
}
FK_INLINE lanes16 no_lanes() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
FK_INLINE lanes16 operator+(lanes16 a, lanes16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
FK_INLINE lanes16 bytes_to_lanes(const uint8_t* p) {
    return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8)))};
}
FK_INLINE floats16 load_floats(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
FK_INLINE void store_floats(float* p, floats16 a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
FK_INLINE void store_floats_n(float* p, floats16 a, int n) {
    float all[16];
    store_floats(all, a);
    for (int i = 0; i < n; ++i) {
        p[i] = all[i];
    }
}
FK_INLINE floats16 splat16(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
FK_INLINE floats16 to_floats(lanes16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
FK_INLINE floats16 operator*(floats16 a, floats16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
FK_INLINE floats16 operator+(floats16 a, floats16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
FK_INLINE floats16 max(floats16 a, floats16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
FK_INLINE floats16 min(floats16 a, floats16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
FK_INLINE void store_bytes(uint8_t* p, floats16 a) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)), 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

template <int N, int I = 0> FK_INLINE void store_run(uint8_t* p, const floats16 (&a)[N], float low) {
    if constexpr (I < N) {
        const __m128i least = _mm_set1_epi8(static_cast<char>(static_cast<uint8_t>(low)));
        const __m256i packed = _mm256_packs_epi32(_mm256_cvtps_epi32(a[I].lo), _mm256_cvtps_epi32(a[I].hi));
        const __m256i words = _mm256_permute4x64_epi64(packed, 0xd8);
        const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p + I * 16), _mm_max_epu8(bytes, least));
        store_run<N, I + 1>(p, a, low);
    }
}

FK_INLINE words16 spread(const uint8_t* p) { return {_mm256_set1_epi32(word_at(p))}; }
FK_INLINE weights16 load_weights(const void* p) { return {load256(p), load256(static_cast<const char*>(p) + 32)}; }

constexpr int HALVES = 2;
template <int H> FK_INLINE words16 half(words16 x) {
    return {H == 0 ? _mm256_and_si256(x.v, _mm256_set1_epi32(0x00ff00ff)) : _mm256_srli_epi16(x.v, 8)};
}
FK_INLINE lanes16 dot(lanes16 acc, words16 x, weights16 w) { // as above
    __m256i lo = _mm256_add_epi32(acc.lo, _mm256_madd_epi16(x.v, w.lo));
    __m256i hi = _mm256_add_epi32(acc.hi, _mm256_madd_epi16(x.v, w.hi));
    __asm__("" : "+x"(lo), "+x"(hi));
    return {lo, hi};
}
constexpr int narrow_bytes = 32;
FK_INLINE weights16 load_narrow(const void* p) {
    const auto* bytes = static_cast<const __m128i*>(p);
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(bytes)), _mm256_cvtepi8_epi16(_mm_loadu_si128(bytes + 1))};
}

#endif

} // namespace
} // namespace fk::FK_ISA
