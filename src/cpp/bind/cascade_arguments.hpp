// The arguments of the face cascade, read and judged once for the processor and for devices.
#pragma once

#include <array>
#include <vector>

#include "bind/convert.hpp"
#include "ops/cascade/cascade.hpp"

namespace fk {

inline constexpr std::int64_t max_picture_side = 1 << 20;

// A grey picture whose rows may stand apart; its pixels may not.
cascade::Image image_in(const py::object& object, py::array& owner);

cascade::Params cascade_params_in(double scale_factor, std::array<std::int64_t, 2> min_size, std::array<std::int64_t, 2> max_size,
                                  int step);

// (x, y, width, height, level, x and y in the level as int32 [n, 7], votes float64 [n])
py::tuple hits_out(const std::vector<cascade::Hit>& hits);

} // namespace fk
