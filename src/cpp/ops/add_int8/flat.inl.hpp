// Sixteen bytes a step.
#pragma once

#include "ops/add_int8/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {

void add_int8_flat(const AddInt8Leaf& l);
void add_int8_flat(const AddInt8Leaf& l) {
    const floats16 factor = splat16(l.a_factor);
    const floats16 offset = splat16(l.offset);
    const floats16 low = splat16(l.low);
    const floats16 high = splat16(l.high);
    for (int64_t i = 0; i < l.count; i += 16) {
        const floats16 a = to_floats(bytes_to_lanes(l.a + i)) * factor + offset;
        store_bytes(l.y + i, clip(with_residual(a, l.b + i, l.b_factor), low, high));
    }
}

} // namespace fk::FK_ISA
