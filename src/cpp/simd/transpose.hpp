// Rows and columns of a block of VL vectors exchanged, in registers.
#pragma once

#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
// Pairs, then quadruples, then the quarters of the vectors.
FK_INLINE void transpose(vf (&r)[VL]) {
    __m512 t[16];
    FK_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
        t[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
    }
    FK_UNROLL
    for (int i = 0; i < 16; i += 4) {
        FK_UNROLL
        for (int j = 0; j < 2; ++j) {
            const __m512d low = _mm512_castps_pd(t[i + j]);
            const __m512d high = _mm512_castps_pd(t[i + j + 2]);
            r[i + 2 * j].v = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            r[i + 2 * j + 1].v = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    FK_UNROLL
    for (int j = 0; j < 4; ++j) { // r[4 i + j]: rows 4 i .. 4 i + 3 of columns j, j + 4, j + 8, j + 12
        t[j] = _mm512_shuffle_f32x4(r[j].v, r[4 + j].v, 0x88);
        t[4 + j] = _mm512_shuffle_f32x4(r[j].v, r[4 + j].v, 0xdd);
        t[8 + j] = _mm512_shuffle_f32x4(r[8 + j].v, r[12 + j].v, 0x88);
        t[12 + j] = _mm512_shuffle_f32x4(r[8 + j].v, r[12 + j].v, 0xdd);
    }
    FK_UNROLL
    for (int j = 0; j < 4; ++j) {
        r[j].v = _mm512_shuffle_f32x4(t[j], t[8 + j], 0x88);
        r[8 + j].v = _mm512_shuffle_f32x4(t[j], t[8 + j], 0xdd);
        r[4 + j].v = _mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0x88);
        r[12 + j].v = _mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0xdd);
    }
}
#elif FK_ISA_LEVEL == 1
// Pairs, then quadruples, then the halves of the vectors.
FK_INLINE void transpose(vf (&r)[VL]) {
    __m256 t[8];
    FK_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
        t[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
    }
    __m256 q[8];
    FK_UNROLL
    for (int i = 0; i < 8; i += 4) {
        FK_UNROLL
        for (int j = 0; j < 2; ++j) {
            q[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            q[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
        }
    }
    FK_UNROLL
    for (int j = 0; j < 4; ++j) { // q[4 i + j]: rows 4 i .. 4 i + 3 of columns j and j + 4
        r[j].v = _mm256_permute2f128_ps(q[j], q[4 + j], 0x20);
        r[4 + j].v = _mm256_permute2f128_ps(q[j], q[4 + j], 0x31);
    }
}
#else
FK_INLINE void transpose(vf (&r)[VL]) {
    FK_UNROLL
    for (int i = 0; i < VL; ++i) {
        FK_UNROLL
        for (int j = 0; j < i; ++j) {
            const float upper = r[j].v[i];
            r[j].v[i] = r[i].v[j];
            r[i].v[j] = upper;
        }
    }
}
#endif

} // namespace
} // namespace fk::FK_ISA
