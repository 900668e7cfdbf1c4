// The plain meaning of dense_int8.

#include <algorithm>

#include "base/isa.hpp"
#include "ops/dense_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void dense_int8_reference(const DenseInt8Leaf& a);

void dense_int8_reference(const DenseInt8Leaf& a) {
    const RequantizeLeaf& r = a.requantize;
    for (std::int64_t n = 0; n < a.rows; ++n) {
        for (std::int64_t o = 0; o < a.blocks * byte_block; ++o) {
            auto sum = static_cast<std::uint32_t>(a.start[o]);
            for (std::int64_t i = 0; i < 4 * std::int64_t(a.steps); ++i) {
                const int product = a.x[n * a.x_row + i] * a.w[(i / 4 * a.blocks * byte_block + o) * 4 + i % 4];
                sum += static_cast<std::uint32_t>(product);
            }
            const float v = requantized(static_cast<std::int32_t>(sum), r, o);
            if (a.y_bytes != nullptr) {
                a.y_bytes[n * a.y_row + o] = to_byte(v, r.low, r.high);
            } else if (o < a.outputs) {
                a.y_floats[n * a.y_row + o] = std::min(std::max(v, r.low), r.high);
            }
        }
    }
}

} // namespace fk::scalar
