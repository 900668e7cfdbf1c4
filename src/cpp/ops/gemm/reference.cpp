// The plain meaning of gemm; panels of B are one column wide.

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/gemm/leaf.hpp"

namespace fk::scalar {

void gemm_reference(const GemmLeaf& g);

void gemm_reference(const GemmLeaf& g) {
    for (std::int64_t i = 0; i < g.m; ++i) {
        for (std::int64_t j = 0; j < g.n; ++j) {
            float sum = g.bias[j];
            for (std::int64_t p = 0; p < g.k; ++p) {
                sum += g.a[i * g.lda + p] * g.b[j * g.k + p];
            }
            g.c[i * g.ldc + j] = activate(sum, g.activation, g.alpha);
        }
    }
}

} // namespace fk::scalar
