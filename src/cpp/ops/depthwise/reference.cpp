// The plain meaning of depthwise convolution on unblocked channels (block 1).

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/depthwise/leaf.hpp"

namespace fk::scalar {

void depthwise_reference(const DepthwiseLeaf& a);

void depthwise_reference(const DepthwiseLeaf& a) {
    for (std::int64_t i = a.begin; i < a.end; ++i) {
        for (std::int64_t j = 0; j < a.ow; ++j) {
            float sum = a.bias[0];
            for (std::int64_t p = 0; p < a.kh; ++p) {
                for (std::int64_t q = 0; q < a.kw; ++q) {
                    const std::int64_t row = i * a.stride_h - a.pad_top + p * a.dilation_h;
                    const std::int64_t column = j * a.stride_w - a.pad_left + q * a.dilation_w;
                    if (row >= 0 && row < a.ih && column >= 0 && column < a.iw) {
                        sum += a.w[p * a.kw + q] * a.x[row * a.iw + column];
                    }
                }
            }
            const std::int64_t at = i * a.ow + j;
            a.y[at] = activate(a.residual != nullptr ? sum + a.residual[at] : sum, a.activation, a.alpha);
        }
    }
}

} // namespace fk::scalar
