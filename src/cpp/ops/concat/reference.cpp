// Concatenation on unblocked channels (block 1): a channel is copied. Its plain meaning, and the same by the library.

#include <cstring>

#include "base/isa.hpp"
#include "ops/concat/leaf.hpp"

namespace fk::scalar {

void concat_copy(const ConcatLeaf& a);
void concat_reference(const ConcatLeaf& a);

void concat_copy(const ConcatLeaf& a) { std::memcpy(a.y, a.x, static_cast<std::size_t>(a.pixels) * sizeof(float)); }

void concat_reference(const ConcatLeaf& a) {
    for (std::int64_t p = 0; p < a.pixels; ++p) {
        a.y[p] = a.x[p];
    }
}

} // namespace fk::scalar
