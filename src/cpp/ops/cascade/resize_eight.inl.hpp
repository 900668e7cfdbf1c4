// Eight outputs of the horizontal pass; AVX2, also under AVX-512.
#pragma once

#include "ops/cascade/leaf.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

using cascade::ResizeTap;

inline void resize_eight(const uint8_t* row, const ResizeTap* taps, int32_t* out) {
    const auto load = [](const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); };
    const auto pair = [](__m128i low, __m128i high) { return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1); };
    const __m256i bytes = pair(load(row + taps[0].first), load(row + taps[1].first));
    const __m256i picked = _mm256_shuffle_epi8(bytes, pair(load(taps[0].pick), load(taps[1].pick)));
    const __m256i sums = _mm256_madd_epi16(picked, pair(load(taps[0].weight), load(taps[1].weight)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums);
}

} // namespace
} // namespace fk::FK_ISA
