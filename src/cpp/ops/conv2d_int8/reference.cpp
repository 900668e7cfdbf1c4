// The plain meaning of conv2d_int8.

#include "base/isa.hpp"
#include "ops/conv2d_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void conv2d_int8_reference(const Conv2dInt8Leaf& a);

void conv2d_int8_reference(const Conv2dInt8Leaf& a) {
    const auto* w = static_cast<const std::int8_t*>(a.w);
    for (int first = 0; first < a.oc_blocks; first += a.group) {
        const int blocks = a.oc_blocks - first < a.group ? a.oc_blocks - first : a.group;
        for (int i = 0; i < a.rows; ++i) {
            for (int j = 0; j < a.ow; ++j) {
                const std::uint8_t* x = a.x + i * a.x_row + j * a.x_pixel;
                for (int b = 0; b < blocks; ++b) {
                    std::int32_t sums[byte_block];
                    for (int o = 0; o < byte_block; ++o) {
                        sums[o] = a.start[(first + b) * byte_block + o];
                    }
                    for (int k = 0; k < a.steps; ++k) {
                        const std::uint8_t* word = x + a.offsets[k];
                        const std::int8_t* weights = w + (std::int64_t(k) * blocks + b) * byte_block * 4;
                        for (int o = 0; o < byte_block; ++o) {
                            int four = 0; // at most 4 * 255 * 128
                            for (int c = 0; c < 4; ++c) {
                                four += word[c] * weights[o * 4 + c];
                            }
                            // Unsigned, since a sum may pass through values beyond int32 on its way to one within.
                            sums[o] =
                                static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[o]) + static_cast<std::uint32_t>(four));
                        }
                    }
                    const std::int64_t at = (first + b) * a.y_block + i * a.y_row + std::int64_t(j) * byte_block;
                    for (int o = 0; o < byte_block; ++o) {
                        float v = requantized(sums[o], a.requantize, (first + b) * byte_block + o);
                        v = a.residual != nullptr ? add_residual(v, a.residual[at + o], a.requantize) : v;
                        a.y[at + o] = to_byte(v, a.requantize.low, a.requantize.high);
                    }
                }
            }
        }
        w += std::int64_t(a.steps) * blocks * byte_block * 4;
    }
}

} // namespace fk::scalar
