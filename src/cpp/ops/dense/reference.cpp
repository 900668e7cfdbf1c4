// The plain meaning of a fully connected layer (block 1).

#include <bit>
#include <cstdint>

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/dense/leaf.hpp"

namespace fk::scalar {

void dense_reference(const DenseLeaf& a);

void dense_reference(const DenseLeaf& a) {
    for (std::int64_t n = 0; n < a.rows; ++n) {
        for (std::int64_t o = 0; o < a.out; ++o) {
            float sum = a.bias[o];
            for (std::int64_t i = 0; i < a.in; ++i) {
                const std::int64_t at = i * a.vectors + o;
                const float w = a.w16 != nullptr ? std::bit_cast<float>(std::uint32_t{a.w16[at]} << 16) : a.w[at];
                sum += w * a.x[n * a.ldx + i];
            }
            a.y[n * a.ldy + o] = activate(sum, a.activation, a.alpha);
        }
    }
}

} // namespace fk::scalar
