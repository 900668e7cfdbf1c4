// Between plain NCHW and blocked channels: [n, ceil(c / B), h, w, B], the lanes past c filled with zeros.
#pragma once

#include <cstdint>

#include "base/isa.hpp"
#include "base/view.hpp"

namespace fk::reorder {

// Which row serves a block.
struct Served {
    const char* name;
    Isa isa;
};
Served kernel(int block);

// x [n, c, h, w], any strides.
void to_blocked(const View<const float>& x, int block, float* y, int threads);
// One dense image after another, as the runner has them.
void to_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads);
void from_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads);

// One block alone: y[p * step + k] = x[k * plane + p] for the channels that there are, 0 for the rest of the block.
void side_by_side(const float* x, std::int64_t plane, int channels, std::int64_t pixels, int block, float* y, std::int64_t step);

} // namespace fk::reorder
