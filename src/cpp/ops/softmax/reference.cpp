// The plain meaning of softmax.

#include <cmath>

#include "base/isa.hpp"
#include "ops/softmax/leaf.hpp"

namespace fk::scalar {

void softmax_reference(const SoftmaxLeaf& s);

void softmax_reference(const SoftmaxLeaf& s) {
    for (std::int64_t r = 0; r < s.rows; ++r) {
        const float* x = s.x + r * s.n;
        float* y = s.y + r * s.n;
        float most = x[0];
        for (std::int64_t i = 1; i < s.n; ++i) {
            most = x[i] > most ? x[i] : most;
        }
        float sum = 0;
        for (std::int64_t i = 0; i < s.n; ++i) {
            y[i] = std::exp(x[i] - most);
            sum += y[i];
        }
        for (std::int64_t i = 0; i < s.n; ++i) {
            y[i] /= sum;
        }
    }
}

} // namespace fk::scalar
