// VL vectors as a square, rows to columns.
#pragma once

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
FK_INLINE void transpose(vf (&r)[VL]) {
    __m512 t[16];
    FK_UNROLL
    for (int i = 0; i < 16; i += 4) { // pairs of rows, then of pairs: 4 x 4 squares within each quarter of a register
        const __m512 ab_low = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
        const __m512 ab_high = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
        const __m512 cd_low = _mm512_unpacklo_ps(r[i + 2].v, r[i + 3].v);
        const __m512 cd_high = _mm512_unpackhi_ps(r[i + 2].v, r[i + 3].v);
        t[i] = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
        t[i + 1] = _mm512_shuffle_ps(ab_low, cd_low, 0xee);
        t[i + 2] = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
        t[i + 3] = _mm512_shuffle_ps(ab_high, cd_high, 0xee);
    }
    FK_UNROLL
    for (int i = 0; i < 4; ++i) { // quarters to their places
        const __m512 even_low = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
        const __m512 even_high = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        r[i].v = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        r[i + 8].v = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        r[i + 4].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        r[i + 12].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
}
#elif FK_ISA_LEVEL == 1
FK_INLINE void transpose(vf (&r)[VL]) {
    __m256 t[8];
    FK_UNROLL
    for (int i = 0; i < 8; i += 4) {
        const __m256 ab_low = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
        const __m256 ab_high = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
        const __m256 cd_low = _mm256_unpacklo_ps(r[i + 2].v, r[i + 3].v);
        const __m256 cd_high = _mm256_unpackhi_ps(r[i + 2].v, r[i + 3].v);
        t[i] = _mm256_shuffle_ps(ab_low, cd_low, 0x44);
        t[i + 1] = _mm256_shuffle_ps(ab_low, cd_low, 0xee);
        t[i + 2] = _mm256_shuffle_ps(ab_high, cd_high, 0x44);
        t[i + 3] = _mm256_shuffle_ps(ab_high, cd_high, 0xee);
    }
    FK_UNROLL
    for (int i = 0; i < 4; ++i) {
        r[i].v = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4].v = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}
#else
FK_INLINE void transpose(vf (&r)[VL]) {
    float square[VL][VL];
    for (int i = 0; i < VL; ++i) {
        store(square[i], r[i]);
    }
    for (int i = 0; i < VL; ++i) {
        r[i] = {f32x4{square[0][i], square[1][i], square[2][i], square[3][i]}};
    }
}
#endif

} // namespace
} // namespace fk::FK_ISA
