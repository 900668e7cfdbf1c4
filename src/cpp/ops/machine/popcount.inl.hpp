// XOR and popcount from registers only. What is compared changes each step as far as the compiler knows.
#pragma once

#include "ops/machine/leaf.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL == 3
using Bits = __m512i;
constexpr int chains = 12;
FK_INLINE Bits all(int32_t value) { return _mm512_set1_epi32(value); }
FK_INLINE Bits add_differing(Bits sum, Bits a, Bits b) {
    return _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_xor_si512(a, b)));
}
#elif FK_ISA_LEVEL == 2
using Bits = __m512i;
constexpr int chains = 12;
FK_INLINE Bits all(int32_t value) { return _mm512_set1_epi32(value); }
FK_INLINE Bits add_differing(Bits sum, Bits a, Bits b) {
    const Bits table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const Bits low = _mm512_set1_epi8(15);
    const Bits bits = _mm512_xor_si512(a, b);
    const Bits high_half = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi32(bits, 4), low));
    return _mm512_add_epi8(sum, _mm512_add_epi8(_mm512_shuffle_epi8(table, _mm512_and_si512(bits, low)), high_half));
}
#elif FK_ISA_LEVEL == 1
using Bits = __m256i;
constexpr int chains = 8;
FK_INLINE Bits all(int32_t value) { return _mm256_set1_epi32(value); }
FK_INLINE Bits add_differing(Bits sum, Bits a, Bits b) {
    const Bits table = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const Bits low = _mm256_set1_epi8(15);
    const Bits bits = _mm256_xor_si256(a, b);
    const Bits high_half = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi32(bits, 4), low));
    return _mm256_add_epi8(sum, _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(bits, low)), high_half));
}
#else
using Bits = uint64_t;
constexpr int chains = 4;
FK_INLINE Bits all(int32_t value) { return static_cast<uint64_t>(value); }
FK_INLINE Bits add_differing(Bits sum, Bits a, Bits b) {
    Bits v = a ^ b;
    v = v - ((v >> 1) & 0x5555555555555555U);
    v = (v & 0x3333333333333333U) + ((v >> 2) & 0x3333333333333333U);
    return sum + ((v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fU);
}
#endif

// The compiler takes it that the value may have changed.
#if FK_ISA_LEVEL > 0
FK_INLINE void hide(Bits& value) { __asm__ volatile("" : "+v"(value)); }
#else
FK_INLINE void hide(Bits& value) { __asm__ volatile("" : "+r"(value)); }
#endif

} // namespace

void machine_xor_popcount(const MachineLeaf& a);
void machine_xor_popcount(const MachineLeaf& a) {
    Bits sum[chains];
    FK_UNROLL
    for (int i = 0; i < chains; ++i) {
        sum[i] = all(i);
    }
    Bits x = all(0x1234567);
    Bits w = all(0x7654321);
    for (int64_t step = 0; step < a.steps; ++step) {
        FK_UNROLL
        for (Bits& chain : sum) {
            hide(x);
            chain = add_differing(chain, x, w);
        }
    }
    FK_UNROLL
    for (Bits& chain : sum) {
        hide(chain);
    }
}

} // namespace fk::FK_ISA
