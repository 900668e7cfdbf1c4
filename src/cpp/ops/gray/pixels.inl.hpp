// Grey values of VL pixels at a time: bytes spread to int32 lanes, three multiplies, a shift.
// At 4 bytes moved for a pixel the work is bound by memory on large pictures.
#pragma once

#include "ops/gray/leaf.hpp"

namespace fk::FK_ISA {
namespace {

// VL pixels of three bytes -> int32 lanes 0x00BBGGRR. Reads exactly 3 VL bytes.
FK_INLINE vi load_rgb(const uint8_t* p) {
#if FK_ISA_LEVEL >= 2
    const __m512i words = _mm512_maskz_loadu_epi32(0x0fff, p);
    const __m512i apart = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0), words);
    const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    return {_mm512_shuffle_epi8(apart, _mm512_broadcast_i32x4(spread))};
#elif FK_ISA_LEVEL == 1
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)); // pixels 4 to 7 from its fourth byte on
    const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 4, 5, 6, -1, 7, 8, 9, -1, 10,
                                            11, 12, -1, 13, 14, 15, -1);
    return {_mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread)};
#else
    vi r;
    for (int i = 0; i < 4; ++i, p += 3) {
        r.v[i] = p[0] | p[1] << 8 | p[2] << 16;
    }
    return r;
#endif
}

FK_INLINE vi load_rgba(const uint8_t* p) {
    vi r;
    __builtin_memcpy(&r, p, sizeof r);
    return r;
}

template <int CHANNELS> void gray(const GrayLeaf& a) {
    const uint8_t* x = a.x;
    int64_t i = 0;
    const vi byte = splat_i(255);
    for (; i + VL <= a.pixels; i += VL, x += CHANNELS * VL) {
        const vi p = CHANNELS == 3 ? load_rgb(x) : load_rgba(x);
        const vi red = (p & byte) * splat_i(gray_red);
        const vi green = (shr(p, 8) & byte) * splat_i(gray_green);
        const vi blue = (shr(p, 16) & byte) * splat_i(gray_blue);
        store_u8(a.y + i, shr(red + green + blue + splat_i(gray_half), gray_bits));
    }
    for (; i < a.pixels; ++i, x += CHANNELS) {
        a.y[i] = static_cast<uint8_t>((gray_red * x[0] + gray_green * x[1] + gray_blue * x[2] + gray_half) >> gray_bits);
    }
}

} // namespace

void gray_pixels(const GrayLeaf& leaf);
void gray_pixels(const GrayLeaf& leaf) {
    if (leaf.channels == 3) {
        gray<3>(leaf);
    } else {
        gray<4>(leaf);
    }
}

} // namespace fk::FK_ISA
