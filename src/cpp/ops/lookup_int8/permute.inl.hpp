// The table in four registers: two permutations of 128 bytes each, chosen by the index's highest bit.
#pragma once

#include "ops/lookup_int8/leaf.hpp"
#include "simd/dot.hpp"

namespace fk::FK_ISA {

void lookup_int8_permute(const LookupInt8Leaf& l);
void lookup_int8_permute(const LookupInt8Leaf& l) {
    const __m512i t0 = _mm512_loadu_si512(l.table);
    const __m512i t1 = _mm512_loadu_si512(l.table + 64);
    const __m512i t2 = _mm512_loadu_si512(l.table + 128);
    const __m512i t3 = _mm512_loadu_si512(l.table + 192);
    for (int64_t i = 0; i < l.count; i += 64) {
        const int64_t left = l.count - i;
        const __mmask64 lanes = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
        const __m512i x = _mm512_maskz_loadu_epi8(lanes, l.x + i);
        const __m512i low = _mm512_permutex2var_epi8(t0, x, t1);
        const __m512i high = _mm512_permutex2var_epi8(t2, x, t3);
        _mm512_mask_storeu_epi8(l.y + i, lanes, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
    }
}

} // namespace fk::FK_ISA
