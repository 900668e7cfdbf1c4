// The plain meaning of batch normalisation with scale and shift (block 1).

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/batch_norm/leaf.hpp"

namespace fk::scalar {

void batch_norm_reference(const BatchNormLeaf& a);

void batch_norm_reference(const BatchNormLeaf& a) {
    for (std::int64_t c = 0; c < a.channels; ++c) {
        for (std::int64_t p = c * a.pixels; p < (c + 1) * a.pixels; ++p) {
            a.y[p] = activate(a.x[p] * a.scale[c] + a.shift[c], a.activation, a.alpha);
        }
    }
}

} // namespace fk::scalar
