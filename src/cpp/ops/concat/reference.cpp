// The plain meaning of concatenation on unblocked channels (block 1): a channel is copied.

#include "base/isa.hpp"
#include "ops/concat/leaf.hpp"

namespace fk::scalar {

void concat_reference(const ConcatLeaf& a);

void concat_reference(const ConcatLeaf& a) {
    for (std::int64_t p = 0; p < a.pixels; ++p) {
        a.y[p] = a.x[p];
    }
}

} // namespace fk::scalar
