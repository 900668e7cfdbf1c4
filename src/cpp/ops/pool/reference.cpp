// The plain meaning of pooling on unblocked channels (block 1).

#include <cmath>
#include <limits>

#include "base/isa.hpp"
#include "ops/pool/leaf.hpp"

namespace fk::scalar {

void pool_reference(const PoolLeaf& a);

void pool_reference(const PoolLeaf& a) {
    const PoolWindow& w = a.window;
    for (int i = a.begin; i < a.end; ++i) {
        for (int j = 0; j < w.ow; ++j) {
            float value = a.kind == pool_max ? -std::numeric_limits<float>::infinity() : 0.0F;
            std::int64_t count = 0;
            for (int p = 0; p < w.kh; ++p) {
                for (int q = 0; q < w.kw; ++q) {
                    const std::int64_t row = std::int64_t(i) * w.stride_h - w.pad_top + p;
                    const std::int64_t column = std::int64_t(j) * w.stride_w - w.pad_left + q;
                    if (row < 0 || row >= w.ih || column < 0 || column >= w.iw) {
                        continue;
                    }
                    const float x = a.x[row * w.iw + column];
                    ++count;
                    if (a.kind == pool_max) {
                        value = x > value || std::isnan(x) ? x : value;
                    } else {
                        value += a.kind == pool_l2 ? x * x : x;
                    }
                }
            }
            if (a.kind == pool_average) {
                value /= static_cast<float>(a.count_include_pad != 0 ? std::int64_t(w.kh) * w.kw : count);
            }
            a.y[std::int64_t(i) * w.ow + j] = a.kind == pool_l2 ? std::sqrt(value) : value;
        }
    }
}

} // namespace fk::scalar
