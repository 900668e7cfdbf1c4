// The plain meaning of pool_int8.

#include <algorithm>

#include "base/isa.hpp"
#include "ops/pool_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void pool_int8_reference(const PoolInt8Leaf& a);

void pool_int8_reference(const PoolInt8Leaf& a) {
    for (int i = a.begin; i < a.end; ++i) {
        const std::int64_t top = std::int64_t(i) * a.stride_h - a.pad_top;
        const std::int64_t first = std::max<std::int64_t>(top, 0);
        const std::int64_t last = std::min<std::int64_t>(top + a.kh, a.ih);
        for (int j = 0; j < a.ow; ++j) {
            const std::int64_t left = std::int64_t(j) * a.stride_w - a.pad_left;
            const std::int64_t from = std::max<std::int64_t>(left, 0);
            const std::int64_t to = std::min<std::int64_t>(left + a.kw, a.iw);
            const std::int64_t cells = (last - first) * (to - from);
            const std::int64_t count = a.count_include_pad != 0 ? std::int64_t(a.kh) * a.kw : cells;
            const float factor = a.ratio / static_cast<float>(count);
            for (int c = 0; c < byte_block; ++c) {
                std::uint8_t most = 0;
                std::int32_t sum = 0;
                for (std::int64_t row = first; row < last; ++row) {
                    for (std::int64_t column = from; column < to; ++column) {
                        const std::uint8_t x = a.x[(row * a.iw + column) * byte_block + c];
                        most = std::max(most, x);
                        sum += x;
                    }
                }
                const float scaled = static_cast<float>(sum - static_cast<std::int32_t>(cells) * a.x_zero) * factor;
                a.y[(std::int64_t(i) * a.ow + j) * byte_block + c] = a.average != 0 ? to_byte(scaled + a.y_zero, 0, 255) : most;
            }
        }
    }
}

} // namespace fk::scalar
