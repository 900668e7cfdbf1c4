// Integral images of a grey picture: sums over everything above and to the left.
//
//   sum(y, x)     = sum of p(j, i)   over j < y, i < x
//   square(y, x)  = sum of p(j, i)^2 over j < y, i < x
//   tilted(y, x)  = sum of p(j, i)   over j < y, |i - x + 1| <= y - j - 1     (a triangle that stands on its tip)
//
// Each has one row and one column more than the picture. The sum of any upright rectangle is then four reads:
// sum(y1, x1) - sum(y0, x1) - sum(y1, x0) + sum(y0, x0).
//
// Sources: Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984; tilted: Lienhart and Maydt, ICIP 2002.
#pragma once

#include <cstdint>

#include "fk_integral.h"
#include "ops/op.hpp"

namespace fk::integral {

struct Params {
    std::int64_t height = 0, width = 0;
    bool squared = false, tilted = false;
};

using Shape = fk_integral_shape;

// Judges the sizes: 255 * height * width must fit into an int32.
Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row of a device's list that serves a shape; throws ValueError where none does.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// Writes (height + 1) x (width + 1) values to each of the images that are not null; allocates only for the tilted one.
void run(const Shape& shape, const std::uint8_t* pixels, std::int64_t stride_bytes, std::int32_t* sum, std::int64_t* square,
         std::int32_t* tilted);

} // namespace fk::integral
