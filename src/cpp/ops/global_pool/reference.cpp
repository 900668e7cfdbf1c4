// The plain meaning of global pooling on unblocked channels (block 1).

#include <cmath>

#include "base/isa.hpp"
#include "ops/global_pool/leaf.hpp"

namespace fk::scalar {

void global_pool_reference(const GlobalPoolLeaf& a);

void global_pool_reference(const GlobalPoolLeaf& a) {
    float value = a.x[0];
    for (std::int64_t p = 1; p < a.pixels; ++p) {
        const float x = a.x[p];
        if (a.kind == global_pool_max) {
            value = x > value || std::isnan(x) ? x : value;
        } else {
            value += x;
        }
    }
    a.y[0] = a.kind == global_pool_max ? value : value / static_cast<float>(a.pixels);
}

} // namespace fk::scalar
