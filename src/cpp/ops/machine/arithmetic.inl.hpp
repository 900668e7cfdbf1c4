// Multiply-adds from registers only, in enough chains to hide the latency of one. The factors change each step as far as the
// compiler knows; the sums are finite, so that no value is slow.
#pragma once

#include "ops/machine/leaf.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL > 0
constexpr int float_chains = 12; // of 16 registers of AVX2, beside the two factors
template <class Vector> FK_INLINE void unknown(Vector& value) { __asm__ volatile("" : "+v"(value.v)); }
#else
constexpr int float_chains = 10; // products need a register, too
#if defined(__SSE2__)
template <class Vector> FK_INLINE void unknown(Vector& value) { __asm__ volatile("" : "+x"(value.v)); }
#elif defined(__aarch64__)
template <class Vector> FK_INLINE void unknown(Vector& value) { __asm__ volatile("" : "+w"(value.v)); }
#else
template <class Vector> FK_INLINE void unknown(Vector& value) { __asm__ volatile("" : "+m"(value.v)); }
#endif
#endif

// The dot products that layers of 8-bit integers are made of, as in simd/dot.hpp.
#if FK_ISA_LEVEL >= 2
constexpr int int_chains = 12;
#else
constexpr int int_chains = 10;
#endif
FK_INLINE vi dot_bytes(vi sum, vi x, vi w) {
#if FK_ISA_LEVEL >= 3
    return {_mm512_dpbusd_epi32(sum.v, x.v, w.v)};
#elif FK_ISA_LEVEL == 2
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(x.v, w.v))};
#elif FK_ISA_LEVEL == 1
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(x.v, w.v))};
#elif defined(__SSE2__)
    // The sums run over, as those of the instructions above do: unsigned, where that has a meaning.
    using i16x8 = int16_t __attribute__((vector_size(16)));
    using u32x4 = uint32_t __attribute__((vector_size(16)));
    const auto product = __builtin_ia32_pmaddwd128(reinterpret_cast<i16x8>(x.v), reinterpret_cast<i16x8>(w.v));
    return {reinterpret_cast<decltype(sum.v)>(reinterpret_cast<u32x4>(sum.v) + reinterpret_cast<u32x4>(product))};
#else
    using u32x4 = uint32_t __attribute__((vector_size(16)));
    const u32x4 product = reinterpret_cast<u32x4>(x.v) * reinterpret_cast<u32x4>(w.v);
    return {reinterpret_cast<decltype(sum.v)>(reinterpret_cast<u32x4>(sum.v) + product)};
#endif
}

} // namespace

#if FK_ISA_LEVEL < 3
void machine_fp32(const MachineLeaf& a);
void machine_fp32(const MachineLeaf& a) {
    vf sum[float_chains];
    FK_UNROLL
    for (int i = 0; i < float_chains; ++i) {
        sum[i] = splat(static_cast<float>(i));
    }
    vf x = splat(1e-3F);
    vf w = splat(1e-3F);
    for (int64_t step = 0; step < a.steps; ++step) {
        FK_UNROLL
        for (vf& chain : sum) {
            unknown(x); // else one product would serve all sums where there is no FMA
            chain = fma(x, w, chain);
        }
    }
    FK_UNROLL
    for (vf& chain : sum) {
        unknown(chain);
    }
}
#endif

void machine_int8(const MachineLeaf& a);
void machine_int8(const MachineLeaf& a) {
    vi sum[int_chains];
    FK_UNROLL
    for (int i = 0; i < int_chains; ++i) {
        sum[i] = splat_i(i);
    }
    vi x = splat_i(0x01020304);
    vi w = splat_i(0x04030201);
    for (int64_t step = 0; step < a.steps; ++step) {
        FK_UNROLL
        for (vi& chain : sum) {
            unknown(x);
            chain = dot_bytes(chain, x, w);
        }
    }
    FK_UNROLL
    for (vi& chain : sum) {
        unknown(chain);
    }
}

#if FK_ISA_LEVEL >= 3
// Not every processor of the level has it: the row asks, and this function alone is built for it.
__attribute__((target("avx512bf16"))) void machine_bf16(const MachineLeaf& a);
__attribute__((target("avx512bf16"))) void machine_bf16(const MachineLeaf& a) {
    vf sum[float_chains];
    FK_UNROLL
    for (int i = 0; i < float_chains; ++i) {
        sum[i] = splat(static_cast<float>(i));
    }
    vi x = splat_i(0x3a833a83); // two bfloat16 of about 0.001
    const vi w = x;
    for (int64_t step = 0; step < a.steps; ++step) {
        FK_UNROLL
        for (vf& chain : sum) {
            unknown(x);
            chain.v = _mm512_dpbf16_ps(chain.v, reinterpret_cast<__m512bh>(x.v), reinterpret_cast<__m512bh>(w.v));
        }
    }
    FK_UNROLL
    for (vf& chain : sum) {
        unknown(chain);
    }
}
#endif

} // namespace fk::FK_ISA
