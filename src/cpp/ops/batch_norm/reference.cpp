// The plain meaning of batch normalisation with scale and shift (block 1).

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/batch_norm/leaf.hpp"

namespace fk::scalar {

void batch_norm_reference(const BatchNormLeaf& a);

void batch_norm_reference(const BatchNormLeaf& a) {
    for (std::int64_t p = 0; p < a.pixels; ++p) {
        a.y[p] = activate(a.x[p] * a.scale[0] + a.shift[0], a.activation, a.alpha);
    }
}

} // namespace fk::scalar
