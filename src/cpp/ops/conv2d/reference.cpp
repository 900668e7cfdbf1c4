// The plain meaning of conv2d on unblocked channels (block 1).

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/conv2d/leaf.hpp"

namespace fk::scalar {

void conv2d_reference(const Conv2dLeaf& a);

void conv2d_reference(const Conv2dLeaf& a) {
    for (int o = 0; o < a.oc_blocks; ++o) {
        for (int i = 0; i < a.rows; ++i) {
            for (int j = 0; j < a.ow; ++j) {
                float sum = a.bias[o];
                const float* w = a.w + static_cast<int64_t>(o) * a.ic * a.kh * a.kw;
                for (int c = 0; c < a.ic; ++c) {
                    for (int p = 0; p < a.kh; ++p) {
                        for (int q = 0; q < a.kw; ++q) {
                            const int64_t row = static_cast<int64_t>(i) * a.stride_h + static_cast<int64_t>(p) * a.dilation_h;
                            const int64_t column = static_cast<int64_t>(j) * a.stride_w + static_cast<int64_t>(q) * a.dilation_w;
                            sum += *w++ * a.x[c * a.x_block + row * a.x_row + column];
                        }
                    }
                }
                const int64_t at = o * a.y_block + i * a.y_row + j;
                a.y[at] = activate(a.residual != nullptr ? sum + a.residual[at] : sum, a.activation, a.alpha);
            }
        }
    }
}

} // namespace fk::scalar
