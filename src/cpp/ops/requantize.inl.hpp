// RequantizeLeaf on sixteen lanes; included by files built for an instruction set.
#pragma once

#include "ops/requantize_leaf.hpp"
#include "simd/dot.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE floats16 clip(floats16 v, floats16 low, floats16 high) { return min(max(v, low), high); }

FK_INLINE floats16 with_residual(floats16 v, const uint8_t* residual, float multiplier) {
    return v + to_floats(bytes_to_lanes(residual)) * splat16(multiplier);
}

} // namespace
} // namespace fk::FK_ISA
