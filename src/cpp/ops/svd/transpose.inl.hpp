// Rows of numbers to columns in registers.
#pragma once

#include "simd/transpose.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
// Number p of row i, at [i step + p], to [p to_step + i], for 16 p and `rows` up to 16; of each
// vector, with zeros past its rows, the first `width` are written.
FK_INLINE void transpose_block(const float* from, int64_t step, int rows, float* to, int64_t to_step, int width) {
    vf block[16];
    FK_UNROLL
    for (int i = 0; i < 16; ++i) {
        block[i] = i < rows ? load(from + i * step) : zero();
    }
    transpose(block);
    FK_UNROLL
    for (int p = 0; p < 16; ++p) {
        store_n(to + p * to_step, block[p], width);
    }
}
#endif

} // namespace
} // namespace fk::FK_ISA
