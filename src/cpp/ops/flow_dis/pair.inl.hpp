// Rows of eight pixels, of as many patches at once as two vectors hold: four in ZMM registers, two in YMM registers, one
// where vectors have four lanes.
#pragma once

#include "ops/flow_dis/leaf.hpp"
#include "simd/lanes.hpp"

namespace fk::FK_ISA {
namespace {

struct px {
    vf left, right;
};
struct Sums {
    float s, e, x, y;
};

FK_INLINE px all(float a) { return {splat(a), splat(a)}; }
FK_INLINE px operator+(px a, px b) { return {a.left + b.left, a.right + b.right}; }
FK_INLINE px operator-(px a, px b) { return {a.left - b.left, a.right - b.right}; }
FK_INLINE px operator*(px a, px b) { return {a.left * b.left, a.right * b.right}; }
FK_INLINE px fma(px a, px b, px c) { return {fma(a.left, b.left, c.left), fma(a.right, b.right, c.right)}; }
FK_INLINE px max(px a, px b) { return {max(a.left, b.left), max(a.right, b.right)}; }
FK_INLINE px abs(px a) { return {abs(a.left), abs(a.right)}; }
FK_INLINE px reciprocal(px a) { return {reciprocal(a.left), reciprocal(a.right)}; }

#if FK_ISA_LEVEL >= 2

constexpr int together = 4;
FK_INLINE vf load_two(const float* a, const float* b) {
    return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a)), _mm256_loadu_ps(b), 1)};
}
FK_INLINE px load_px(const float* const* p, int64_t at) {
    return {load_two(p[0] + at, p[1] + at), load_two(p[2] + at, p[3] + at)};
}
FK_INLINE vf splat_two(float a, float b) {
    return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_set1_ps(a)), _mm256_set1_ps(b), 1)};
}
FK_INLINE px each(const float* a) { return {splat_two(a[0], a[1]), splat_two(a[2], a[3])}; }
// Sums of four vectors at once: [s e x y] in each 128 bits, whose two for each patch are added last.
FK_INLINE void sums_of(vf s, vf e, vf x, vf y, Sums* to) {
    const __m512 se = _mm512_add_ps(_mm512_unpacklo_ps(s.v, e.v), _mm512_unpackhi_ps(s.v, e.v));
    const __m512 xy = _mm512_add_ps(_mm512_unpacklo_ps(x.v, y.v), _mm512_unpackhi_ps(x.v, y.v));
    const __m512 half = _mm512_add_ps(_mm512_shuffle_ps(se, xy, 0x44), _mm512_shuffle_ps(se, xy, 0xee));
    const __m512 whole = _mm512_add_ps(half, _mm512_shuffle_f32x4(half, half, 0xb1));
    _mm_storeu_ps(&to[0].s, _mm512_castps512_ps128(whole));
    _mm_storeu_ps(&to[1].s, _mm512_extractf32x4_ps(whole, 2));
}
FK_INLINE void sums(px s, px e, px x, px y, Sums* to) {
    sums_of(s.left, e.left, x.left, y.left, to);
    sums_of(s.right, e.right, x.right, y.right, to + 2);
}
FK_INLINE void add_eight(float* p, __m256 a) { _mm256_storeu_ps(p, _mm256_add_ps(_mm256_loadu_ps(p), a)); }
FK_INLINE void add_px(float* const* p, int64_t at, px a, int count) {
    const __m256 part[together] = {_mm512_castps512_ps256(a.left.v), _mm512_extractf32x8_ps(a.left.v, 1),
                                   _mm512_castps512_ps256(a.right.v), _mm512_extractf32x8_ps(a.right.v, 1)};
    FK_UNROLL
    for (int k = 0; k < together; ++k) {
        if (k < count) {
            add_eight(p[k] + at, part[k]);
        }
    }
}

#elif FK_ISA_LEVEL == 1

constexpr int together = 2;
FK_INLINE px load_px(const float* const* p, int64_t at) { return {load(p[0] + at), load(p[1] + at)}; }
FK_INLINE px each(const float* a) { return {splat(a[0]), splat(a[1])}; }
FK_INLINE void sums_of(vf s, vf e, vf x, vf y, Sums* to) {
    const __m256 se = _mm256_add_ps(_mm256_unpacklo_ps(s.v, e.v), _mm256_unpackhi_ps(s.v, e.v));
    const __m256 xy = _mm256_add_ps(_mm256_unpacklo_ps(x.v, y.v), _mm256_unpackhi_ps(x.v, y.v));
    const __m256 half = _mm256_add_ps(_mm256_shuffle_ps(se, xy, 0x44), _mm256_shuffle_ps(se, xy, 0xee));
    _mm_storeu_ps(&to->s, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
FK_INLINE void sums(px s, px e, px x, px y, Sums* to) {
    sums_of(s.left, e.left, x.left, y.left, to);
    sums_of(s.right, e.right, x.right, y.right, to + 1);
}
FK_INLINE void add_px(float* const* p, int64_t at, px a, int count) {
    store(p[0] + at, load(p[0] + at) + a.left);
    if (count > 1) {
        store(p[1] + at, load(p[1] + at) + a.right);
    }
}

#else

constexpr int together = 1;
FK_INLINE px load_px(const float* const* p, int64_t at) { return {load(p[0] + at), load(p[0] + at + VL)}; }
FK_INLINE px each(const float* a) { return all(a[0]); }
FK_INLINE void sums(px s, px e, px x, px y, Sums* to) {
    *to = {sum(s.left + s.right), sum(e.left + e.right), sum(x.left + x.right), sum(y.left + y.right)};
}
FK_INLINE void add_px(float* const* p, int64_t at, px a, int /*count*/) {
    store(p[0] + at, load(p[0] + at) + a.left);
    store(p[0] + at + VL, load(p[0] + at + VL) + a.right);
}

#endif

} // namespace
} // namespace fk::FK_ISA
