// The plain meaning of the two reorders, on any block.

#include <cstdint>

#include "base/isa.hpp"
#include "ops/reorder/leaf.hpp"

namespace fk::scalar {

void to_blocked_reference(const ReorderLeaf& a);
void to_blocked_reference(const ReorderLeaf& a) {
    for (std::int64_t p = 0; p < a.pixels; ++p) {
        for (int k = 0; k < a.block; ++k) {
            a.y[p * a.step + k] = k < a.channels ? a.x[k * a.plane + p] : 0.0F;
        }
    }
}

void from_blocked_reference(const ReorderLeaf& a);
void from_blocked_reference(const ReorderLeaf& a) {
    for (int k = 0; k < a.channels; ++k) {
        for (std::int64_t p = 0; p < a.pixels; ++p) {
            a.y[k * a.plane + p] = a.x[p * a.step + k];
        }
    }
}

} // namespace fk::scalar
