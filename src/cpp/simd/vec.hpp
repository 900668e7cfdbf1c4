// One small vector vocabulary, three dialects. A file built for an instruction set includes this header alone; cmake
// defines FK_ISA (its namespace) and FK_ISA_LEVEL. Everything here has internal linkage, so no code built with vector
// flags can be picked by the linker for use elsewhere.
//
//   VL                       floats in a vector: 4 (scalar: plain x86-64, or any machine), 8 (avx2), 16 (avx512)
//   vf, vi, vm               float32, int32 and mask vectors
//   load (of bfloat16, too) store load_n store_n splat zero gather prefetch  memory; _n touches only the first n lanes, the rest
//   read as 0
//   + - * /  fma fnma min max sqrt abs select           fma(a, b, c) = a * b + c;  fnma(a, b, c) = c - a * b
//   lt le gt ge eq ; to_int (towards zero) round_int to_float bits_float bits_int shl shr (arithmetic)
//   load_u8, load_i8 (VL bytes -> int32), store_u8 (int32, saturated to 0..255)
//   vh low splat_low load_low load_as; store + fma min max of it   the lower half of a vector, where FK_HALVES is 1
//   sum maximum              over the lanes, in a fixed order
#pragma once

#include <stdint.h>

#if !defined(FK_ISA) || !defined(FK_ISA_LEVEL)
#error "compile this file through cmake/isa.cmake"
#endif

#define FK_INLINE static inline __attribute__((always_inline))
#define FK_UNROLL _Pragma("GCC unroll 32")

#if FK_ISA_LEVEL >= 2
#include "simd/vec_avx512.hpp"
#elif FK_ISA_LEVEL == 1
#include "simd/vec_avx2.hpp"
#else
#include "simd/vec_scalar.hpp"
#endif

#ifndef FK_HALVES // so that templates may name them
#define FK_HALVES 0
namespace fk::FK_ISA {
namespace {
using vh = vf;
FK_INLINE vh low(vf a) { return a; }
FK_INLINE vh splat_low(float x) { return splat(x); }
FK_INLINE vh load_low(const float* p) { return load(p); }
} // namespace
} // namespace fk::FK_ISA
#endif
namespace fk::FK_ISA {
namespace {
template <class V> FK_INLINE V load_as(const float* p) { // vf or vh
    if constexpr (sizeof(V) == sizeof(vf)) {
        return load(p);
    } else {
        return load_low(p);
    }
}
} // namespace
} // namespace fk::FK_ISA
#include "simd/vec_math.hpp"
