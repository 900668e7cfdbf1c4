// Square cut-outs of any size and place, brought to one size by area averaging.
#include <algorithm>
#include <cmath>

#include "ops/cascade/crop.hpp"

namespace fk::cascade {
namespace {

// Output i is the mean of the source over an interval of max(1, side / size) pixels round its centre: an area average
// when the cut-out is larger than the output, bilinear interpolation when it is smaller. Outside, edges are repeated.
struct Taps {
    std::vector<std::int32_t> first, count, at;
    std::vector<float> weight;
};

Taps taps(double origin, double side, std::int32_t size, std::int32_t limit) {
    Taps t;
    const double pitch = side / size, reach = std::max(pitch, 1.0) / 2.0;
    for (std::int32_t i = 0; i < size; ++i) {
        const double centre = origin + (i + 0.5) * pitch, from = centre - reach, to = centre + reach;
        t.first.push_back(static_cast<std::int32_t>(t.at.size()));
        for (auto cell = static_cast<std::int64_t>(std::floor(from)); static_cast<double>(cell) < to; ++cell) {
            const auto p = static_cast<double>(cell);
            const double cover = std::min(to, p + 1.0) - std::max(from, p);
            if (cover <= 0.0) {
                continue;
            }
            t.at.push_back(static_cast<std::int32_t>(std::clamp(p, 0.0, static_cast<double>(limit - 1))));
            t.weight.push_back(static_cast<float>(cover / (2.0 * reach)));
        }
        t.count.push_back(static_cast<std::int32_t>(t.at.size()) - t.first.back());
    }
    return t;
}

} // namespace

void crop(const Image& image, const SquareBox& box, std::int32_t size, float* out) {
    const Taps x = taps(box.x, box.side, size, image.width), y = taps(box.y, box.side, size, image.height);
    std::vector<float> line(static_cast<std::size_t>(size));
    std::fill_n(out, static_cast<std::size_t>(size) * static_cast<std::size_t>(size), 0.0F);
    for (std::int32_t row = 0; row < size; ++row) {
        float* target = out + static_cast<std::ptrdiff_t>(row) * size;
        for (std::int32_t k = 0; k < y.count[static_cast<std::size_t>(row)]; ++k) {
            const auto tap = static_cast<std::size_t>(y.first[static_cast<std::size_t>(row)] + k);
            const std::uint8_t* source = image.pixels + y.at[tap] * image.stride_bytes;
            for (std::int32_t i = 0; i < size; ++i) {
                const auto column = static_cast<std::size_t>(i);
                float sum = 0.0F;
                for (std::int32_t j = x.first[column]; j < x.first[column] + x.count[column]; ++j) {
                    sum += x.weight[static_cast<std::size_t>(j)] * source[x.at[static_cast<std::size_t>(j)]];
                }
                target[i] += y.weight[tap] * sum;
            }
        }
    }
}

void standardise(float* values, std::int32_t count) {
    constexpr double floor = 8.0; // grey levels
    double sum = 0.0, squares = 0.0;
    for (std::int32_t i = 0; i < count; ++i) {
        sum += values[i];
        squares += static_cast<double>(values[i]) * values[i];
    }
    const double mean = sum / count, deviation = std::sqrt(std::max(squares / count - mean * mean, 0.0));
    const double scale = 1.0 / (deviation + floor);
    for (std::int32_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>((values[i] - mean) * scale);
    }
}

} // namespace fk::cascade
