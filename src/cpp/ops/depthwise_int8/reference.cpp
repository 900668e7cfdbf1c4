// The plain meaning of depthwise_int8.

#include "base/isa.hpp"
#include "ops/depthwise_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void depthwise_int8_reference(const DepthwiseInt8Leaf& a);

void depthwise_int8_reference(const DepthwiseInt8Leaf& a) {
    const auto* w = static_cast<const std::int16_t*>(a.w);
    std::uint8_t* y = a.y;
    for (int i = 0; i < a.rows; ++i) {
        for (int j = 0; j < a.ow; ++j, y += byte_block) {
            const std::uint8_t* x = a.x + i * a.x_row + j * a.x_pixel;
            for (int c = 0; c < byte_block; ++c) {
                std::uint32_t sum = static_cast<std::uint32_t>(a.start[c]);
                for (int tap = 0; tap < 2 * a.pairs; ++tap) {
                    const int product = x[a.offsets[tap] + c] * w[(tap / 2 * byte_block + c) * 2 + tap % 2];
                    sum += static_cast<std::uint32_t>(product);
                }
                const float v = requantized(static_cast<std::int32_t>(sum), a.requantize, c);
                y[c] = to_byte(v, a.requantize.low, a.requantize.high);
            }
        }
    }
}

} // namespace fk::scalar
