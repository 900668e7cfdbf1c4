// Rows of numbers to columns in registers.
#pragma once

#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
// 16 x 16 in registers: pairs, then quadruples, then the quarters of the vectors.
FK_INLINE void transpose(__m512 (&r)[16]) {
    __m512 t[16];
    FK_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    FK_UNROLL
    for (int i = 0; i < 16; i += 4) {
        FK_UNROLL
        for (int j = 0; j < 2; ++j) {
            const __m512d low = _mm512_castps_pd(t[i + j]);
            const __m512d high = _mm512_castps_pd(t[i + j + 2]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    FK_UNROLL
    for (int j = 0; j < 4; ++j) { // r[4 i + j]: rows 4 i .. 4 i + 3 of columns j, j + 4, j + 8, j + 12
        t[j] = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88);
        t[4 + j] = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd);
        t[8 + j] = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
        t[12 + j] = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
    }
    FK_UNROLL
    for (int j = 0; j < 4; ++j) {
        r[j] = _mm512_shuffle_f32x4(t[j], t[8 + j], 0x88);
        r[8 + j] = _mm512_shuffle_f32x4(t[j], t[8 + j], 0xdd);
        r[4 + j] = _mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0x88);
        r[12 + j] = _mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0xdd);
    }
}

// Number p of row i, at [i step + p], to [p to_step + i], for 16 p and `rows` up to 16; of each
// vector, with zeros past its rows, the first `width` are written.
FK_INLINE void transpose_block(const float* from, int64_t step, int rows, float* to, int64_t to_step, int width) {
    __m512 block[16];
    FK_UNROLL
    for (int i = 0; i < 16; ++i) {
        block[i] = i < rows ? _mm512_loadu_ps(from + i * step) : _mm512_setzero_ps();
    }
    transpose(block);
    FK_UNROLL
    for (int p = 0; p < 16; ++p) {
        _mm512_mask_storeu_ps(to + p * to_step, first_lanes(width), block[p]);
    }
}
#endif

} // namespace
} // namespace fk::FK_ISA
