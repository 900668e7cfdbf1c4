// Depthwise convolution of bytes, two taps of the window at a time: their pixels' bytes are interleaved, widened to int16
// and multiplied by pairs of weights (vpmaddwd, exact).
#pragma once

#include "ops/depthwise_int8/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE __m128i pixel(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

template <int N> void tile(const DepthwiseInt8Leaf& a, const uint8_t* x, uint8_t* y) {
    lanes16 acc[N];
    FK_UNROLL
    for (int j = 0; j < N; ++j) {
        acc[j] = load_lanes(a.start);
    }
    const auto* w = static_cast<const int8_t*>(a.w);
    for (int p = 0; p < a.pairs; ++p, w += 64) {
        const weights16 wv = load_weights(w);
        const uint8_t* first = x + a.offsets[2 * p];
        const uint8_t* second = x + a.offsets[2 * p + 1];
        FK_UNROLL
        for (int j = 0; j < N; ++j) {
            const __m128i one = pixel(first + j * a.x_pixel);
            const __m128i two = pixel(second + j * a.x_pixel);
            const __m256i lo = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(one, two));
            const __m256i hi = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(one, two));
            acc[j].lo = _mm256_add_epi32(acc[j].lo, _mm256_madd_epi16(lo, wv.lo));
            acc[j].hi = _mm256_add_epi32(acc[j].hi, _mm256_madd_epi16(hi, wv.hi));
        }
    }
    const floats16 multiplier = load_floats(a.requantize.multiplier);
    const floats16 offset = load_floats(a.requantize.offset);
    const floats16 low = splat16(a.requantize.low);
    const floats16 high = splat16(a.requantize.high);
    FK_UNROLL
    for (int j = 0; j < N; ++j) {
        store_bytes(y + j * 16, clip(to_floats(acc[j]) * multiplier + offset, low, high));
    }
}

} // namespace

void depthwise_int8_pairs(const DepthwiseInt8Leaf& a);
void depthwise_int8_pairs(const DepthwiseInt8Leaf& a) {
    uint8_t* y = a.y;
    for (int i = 0; i < a.rows; ++i) {
        const uint8_t* x = a.x + i * a.x_row;
        int j = 0;
        for (; j + 4 <= a.ow; j += 4, y += 4 * 16) {
            tile<4>(a, x + j * a.x_pixel, y);
        }
        for (; j < a.ow; ++j, y += 16) {
            tile<1>(a, x + j * a.x_pixel, y);
        }
    }
}

} // namespace fk::FK_ISA
