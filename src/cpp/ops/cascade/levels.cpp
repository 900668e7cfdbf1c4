#include "ops/cascade/levels.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace fk::cascade {
namespace {

Level sized(const Params& p, std::int32_t width, std::int32_t height, float scale, std::size_t index) {
    Level l{};
    l.index = static_cast<std::int32_t>(index);
    l.scale = scale;
    l.width = rounded(static_cast<double>(static_cast<float>(width) / scale));
    l.height = rounded(static_cast<double>(static_cast<float>(height) / scale));
    l.step = p.step > 0 ? p.step : (scale >= 2.0F ? 1 : 2);
    return l;
}

} // namespace

// The rows that are scanned come in as many stripes as the finest level has columns / 32; with a step of two an
// odd last row is left out when the stripes divide the rows evenly. Kept, because the boxes depend on it.
std::vector<Level> levels(const Cascade& c, const Params& p, std::int32_t width, std::int32_t height) {
    const std::vector<float> all = scales(c, p, width, height);
    std::vector<Level> result;
    for (std::size_t i = 0; i < all.size(); ++i) {
        Level l = sized(p, width, height, all[i], i);
        const std::int32_t finest = i == 0 ? l.width : result[0].width;
        const std::int32_t across = std::max(l.width + 1 - c.window_width, 0), down = std::max(l.height + 1 - c.window_height, 0);
        const std::int32_t stripes = (std::max(finest + 1 - c.window_width, 0) + 31) / 32;
        l.columns = (across + l.step - 1) / l.step;
        if (stripes > 0) {
            l.bottom = std::min(stripes * std::max((down / l.step + stripes - 1) / stripes, 1) * l.step, down);
        }
        result.push_back(l);
    }
    return result;
}

Hit hit_at(const Cascade& c, const Level& l, std::int32_t x, std::int32_t y, double vote) {
    const auto scaled = [&l](std::int32_t v) { return rounded(static_cast<double>(static_cast<float>(v) * l.scale)); };
    return {.box = {scaled(x), scaled(y), scaled(c.window_width), scaled(c.window_height)},
            .level = l.index,
            .level_x = x,
            .level_y = y,
            .vote = vote};
}

std::vector<float> scales(const Cascade& c, const Params& p, std::int32_t width, std::int32_t height) {
    if (!(p.scale_factor > 1.0)) {
        throw ValueError("scale_factor is " + std::to_string(p.scale_factor) + "; it must be greater than 1");
    }
    const std::int32_t max_width = (p.max_width == 0 || p.max_height == 0) ? width : p.max_width;
    const std::int32_t max_height = (p.max_width == 0 || p.max_height == 0) ? height : p.max_height;
    std::vector<float> all, wanted;
    double factor = 1.0;
    while (rounded(c.window_width * factor) <= width && rounded(c.window_height * factor) <= height) {
        all.push_back(static_cast<float>(factor));
        factor *= p.scale_factor;
    }
    std::int64_t nearest = -1;
    float best = 1.0F;
    for (const float s : all) {
        const std::int32_t w = rounded(static_cast<double>(static_cast<float>(c.window_width) * s));
        const std::int32_t h = rounded(static_cast<double>(static_cast<float>(c.window_height) * s));
        const std::int64_t dx = p.min_width - w, dy = p.min_height - h, distance = dx * dx + dy * dy;
        if (nearest < 0 || distance < nearest) {
            nearest = distance;
            best = s;
        }
    }
    for (const float s : all) {
        const std::int32_t w = rounded(static_cast<double>(static_cast<float>(c.window_width) * s));
        const std::int32_t h = rounded(static_cast<double>(static_cast<float>(c.window_height) * s));
        if (w > max_width || h > max_height) {
            break;
        }
        if (w >= p.min_width && h >= p.min_height) {
            wanted.push_back(s);
        }
    }
    if (wanted.empty() && !all.empty()) {
        wanted.push_back(best);
    }
    return wanted;
}

} // namespace fk::cascade
