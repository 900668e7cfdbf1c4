// The plain meaning of local response normalisation on unblocked channels (block 1).

#include <algorithm>
#include <cmath>

#include "base/isa.hpp"
#include "ops/local_response_norm/leaf.hpp"

namespace fk::scalar {

void local_response_norm_reference(const LocalResponseNormLeaf& a);

void local_response_norm_reference(const LocalResponseNormLeaf& a) {
    for (std::int64_t p = 0; p < a.pixels; ++p) {
        for (int c = 0; c < a.channels; ++c) {
            float sum = 0;
            for (int near = std::max(0, c - a.before); near <= std::min(a.channels - 1, c + a.after); ++near) {
                const float x = a.x[near * a.plane + p];
                sum += x * x;
            }
            const std::int64_t at = c * a.plane + p;
            a.y[at] = a.x[at] * std::pow(a.k + a.scale * sum, -a.beta);
        }
    }
}

} // namespace fk::scalar
