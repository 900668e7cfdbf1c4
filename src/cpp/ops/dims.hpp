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

} // namespace fk
