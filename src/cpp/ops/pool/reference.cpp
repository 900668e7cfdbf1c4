// The plain meaning of pooling on unblocked channels (block 1).

#include <cmath>
#include <limits>

#include "base/isa.hpp"
#include "ops/pool/leaf.hpp"

namespace fk::scalar {

void pool_reference(const PoolLeaf& a);

void pool_reference(const PoolLeaf& a) {
    for (int i = a.begin; i < a.end; ++i) {
        for (int j = 0; j < a.ow; ++j) {
            float value = a.kind == pool_max ? -std::numeric_limits<float>::infinity() : 0.0F;
            std::int64_t count = 0;
            for (int p = 0; p < a.kh; ++p) {
                for (int q = 0; q < a.kw; ++q) {
                    const std::int64_t row = std::int64_t(i) * a.stride_h - a.pad_top + p;
                    const std::int64_t column = std::int64_t(j) * a.stride_w - a.pad_left + q;
                    if (row < 0 || row >= a.ih || column < 0 || column >= a.iw) {
                        continue;
                    }
                    const float x = a.x[row * a.iw + column];
                    ++count;
                    if (a.kind == pool_max) {
                        value = x > value || std::isnan(x) ? x : value;
                    } else {
                        value += a.kind == pool_l2 ? x * x : x;
                    }
                }
            }
            if (a.kind == pool_average) {
                value /= static_cast<float>(a.count_include_pad != 0 ? std::int64_t(a.kh) * a.kw : count);
            }
            a.y[std::int64_t(i) * a.ow + j] = a.kind == pool_l2 ? std::sqrt(value) : value;
        }
    }
}

} // namespace fk::scalar
