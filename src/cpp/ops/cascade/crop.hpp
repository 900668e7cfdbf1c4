// Square cut-outs of a grey image for the network that looks at what the cascade has found.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cascade/cascade.hpp"

namespace fk::cascade {

struct SquareBox {
    double x = 0.0, y = 0.0, side = 0.0; // upper left corner, pixels
};

// out[size * size]: mean grey values, 0 to 255.
void crop(const Image& image, const SquareBox& box, std::int32_t size, float* out);

// (value - mean) / (deviation + 8): light and contrast go, noise of flat areas stays small.
void standardise(float* values, std::int32_t count);

// A square that stays, and how many squares, itself among them, it stands for.
struct Kept {
    std::int64_t index = 0;
    std::int32_t count = 0;
};

// Best first. A square goes when its intersection over union with a better one is above `overlap`, or when more than
// `inside` of the smaller of the two lies in the other.
std::vector<Kept> suppress(const std::vector<SquareBox>& boxes, const std::vector<double>& scores, double overlap, double inside);

} // namespace fk::cascade
