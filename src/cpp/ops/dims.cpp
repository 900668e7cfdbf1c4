#include "ops/dims.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"

namespace fk {

namespace {
constexpr std::int64_t most_channels = 64;
// Channels times side stays below 2^31: indices of elements of a row are 32 bits wide.
constexpr std::int64_t largest_side = 1 << 24;
} // namespace

int checked_int(std::int64_t value, const char* name) {
    require(value >= 0 && value <= std::numeric_limits<int>::max(), name, " = ", value, " does not fit in 31 bits");
    return static_cast<int>(value);
}

void require_values(const std::array<std::int64_t, 4>& dims, const char* name) {
    const auto& [n, c, h, w] = dims;
    require(n >= 1 && c >= 1 && h >= 1 && w >= 1, name, " must hold at least one value, its shape is [", n, ", ", c, ", ", h,
            ", ", w, "]");
}

void require_picture(const std::array<std::int64_t, 3>& image, std::int64_t height, std::int64_t width) {
    const auto& [ih, iw, channels] = image;
    require(ih >= 1 && iw >= 1 && channels >= 1, "image must hold at least one pixel, its shape is [", ih, ", ", iw, ", ",
            channels, "]");
    require(height >= 1 && width >= 1, "size (height, width) must be at least (1, 1), is (", height, ", ", width, ")");
    require(channels <= most_channels, "image has ", channels, " channels, at most ", most_channels, " are served");
    require(std::max({ih, iw, height, width}) <= largest_side, "image ", ih, " x ", iw, " to ", height, " x ", width,
            ": a side may be at most ", largest_side);
}

void require_frame(const char* name, const std::array<std::int64_t, 2>& frame, std::int64_t pixel, std::int64_t largest_side) {
    const auto [height, width] = frame;
    require(height >= 1 && width >= 1, name, " must hold at least one pixel, its shape is [", height, ", ", width, "]");
    require(std::max(height, width) <= largest_side, name, " has the shape [", height, ", ", width, "]; a side may be at most ",
            largest_side);
    require(pixel == 1 || width == 1, name, ": pixels of a row must stand together, they are ", pixel,
            " elements apart; pass numpy.ascontiguousarray(", name, ")");
}

void require_alike(const std::array<std::int64_t, 2>& prev, const std::array<std::int64_t, 2>& next, bool prev_float,
                   bool next_float) {
    require(prev == next, "prev and next must have the same shape, are [", prev[0], ", ", prev[1], "] and [", next[0], ", ",
            next[1], "]");
    const auto name = [](bool is_float) { return is_float ? "float32" : "uint8"; };
    if (prev_float != next_float) {
        throw TypeError(message("prev and next must have the same dtype, are ", name(prev_float), " and ", name(next_float)));
    }
}

} // namespace fk
