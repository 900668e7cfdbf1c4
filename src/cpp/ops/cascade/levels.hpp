// The levels of the pyramid, and which of their windows are looked at.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/cascade/cascade.hpp"

namespace fk::cascade {

inline std::int32_t rounded(double v) { return static_cast<std::int32_t>(std::lrint(v)); }

struct Level {
    std::int32_t index, width, height, step, columns, bottom; // window rows: 0, step, ... below bottom
    float scale;
};

std::vector<Level> levels(const Cascade& cascade, const Params& params, std::int32_t width, std::int32_t height);

// What is reported of a window at (x, y) pixels of its level.
Hit hit_at(const Cascade& cascade, const Level& level, std::int32_t x, std::int32_t y, double vote);

} // namespace fk::cascade
