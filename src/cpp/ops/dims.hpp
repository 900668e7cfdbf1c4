// What every infer() asks of the sizes that it is given. All throw ValueError that shows the numbers.
#pragma once

#include <array>
#include <cstdint>

namespace fk {

// Checks that a dimension fits the 32-bit fields of the Shapes.
int checked_int(std::int64_t value, const char* name);

// Checks that an array [n, c, h, w] holds something; `name` is the argument's.
void require_values(const std::array<std::int64_t, 4>& dims, const char* name = "x");

// Checks a picture [height, width, channels] and the (height, width) of what is made of it.
void require_picture(const std::array<std::int64_t, 3>& image, std::int64_t height, std::int64_t width);

// Checks a grey frame [height, width] whose pixels of a row stand `pixel` elements apart, and that two are alike.
void require_frame(const char* name, const std::array<std::int64_t, 2>& frame, std::int64_t pixel, std::int64_t largest_side);
void require_alike(const std::array<std::int64_t, 2>& prev, const std::array<std::int64_t, 2>& next, bool prev_float,
                   bool next_float);

// What dense flow asks of the two frames of its Params.
template <class Params> void require_frame_pair(const Params& p, std::int64_t largest_side) {
    require_frame("prev", p.from, p.from_pixel, largest_side);
    require_frame("next", p.to, p.to_pixel, largest_side);
    require_alike(p.from, p.to, p.from_float, p.to_float);
}

} // namespace fk
