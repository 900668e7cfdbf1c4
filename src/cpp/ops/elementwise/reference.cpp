// The plain meaning of the elementwise functions.

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/elementwise/leaf.hpp"

namespace fk::scalar {

void elementwise_reference(const ElementwiseLeaf& e);

void elementwise_reference(const ElementwiseLeaf& e) {
    for (std::int64_t i = 0; i < e.count; ++i) {
        e.y[i] = activate(e.b != nullptr ? e.a[i] + e.b[i] : e.a[i], e.activation, e.alpha);
    }
}

} // namespace fk::scalar
