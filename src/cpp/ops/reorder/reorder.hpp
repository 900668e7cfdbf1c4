// Between plain NCHW and blocked channels: [n, ceil(c / B), h, w, B], the lanes past c filled with zeros.
#pragma once

#include <cstdint>

#include "base/view.hpp"

namespace fk::reorder {

// x [n, c, h, w], any strides.
void to_blocked(const View<const float>& x, int block, float* y, int threads);
// One dense image after another, as the runner has them.
void to_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads);
void from_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads);

} // namespace fk::reorder
