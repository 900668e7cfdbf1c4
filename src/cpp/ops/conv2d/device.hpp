// Which of a device's kernels serves a convolution.
#pragma once

#include "ops/conv2d/winograd.hpp"

namespace fk::conv2d {

// F(m x m, 3 x 3) with m = TILE can serve the shape, and was asked for by its name or is the least work.
bool device_winograd_pays(const Shape& shape, int tile);
template <int TILE> bool device_winograd(const Shape& shape) {
    return winograd_fits<3>(shape) && device_winograd_pays(shape, TILE);
}

} // namespace fk::conv2d
