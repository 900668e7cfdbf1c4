#include "ops/cascade/pyramid.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fk::cascade {
namespace {
constexpr std::int32_t padding = 64; // elements that a vector may reach over the end
constexpr std::int32_t one = 256;    // fixed point

std::size_t up(std::int32_t n) { return static_cast<std::size_t>(n); }
} // namespace

Axis::Axis(std::int32_t source, std::int32_t target) : at(up(target)), weight(up(target)) {
    const double scale = 1.0 / (static_cast<double>(target) / static_cast<double>(source));
    for (std::int32_t i = 0; i < target; ++i) {
        const double place = scale * (i + 0.5) - 0.5;
        const auto floor = static_cast<std::int32_t>(std::floor(place));
        const bool inside = floor >= 0 && floor < source - 1;
        at[up(i)] = std::clamp(floor, 0, std::max(source - 2, 0));
        weight[up(i)] =
            inside ? static_cast<std::int32_t>(std::lrint((place - floor) * one)) : ((floor < 0 || source == 1) ? 0 : one);
    }
}

LevelRows::LevelRows(const Image& image, std::int32_t width, std::int32_t height, const Leaves& leaves)
    : image_(image), width_(width), height_(height), leaves_(leaves), x_(image.width, width), y_(image.height, height),
      source_(up(image.width + padding)), level_(up(width + padding)) {
    for (auto& line : lines_) {
        line.assign(up(width + padding), 0);
    }
    taps_.resize(up((width + 7) / 8 * 2));
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(taps_.size()); ++i) {
        ResizeTap& t = taps_[up(i)];
        t = {};
        t.first = x_.at[up(std::min(i * 4, width - 1))];
        for (std::int32_t lane = 0; lane < 4; ++lane) {
            const std::size_t column = up(std::min(i * 4 + lane, width - 1));
            const std::int32_t left = x_.at[column] - t.first;
            if (left > 14) {
                taps_.clear();
                return;
            }
            const std::uint8_t bytes[4] = {static_cast<std::uint8_t>(left), 0x80, static_cast<std::uint8_t>(left + 1), 0x80};
            std::memcpy(t.pick + lane * 4, bytes, 4);
            t.weight[lane * 2] = static_cast<std::int16_t>(one - x_.weight[column]);
            t.weight[lane * 2 + 1] = static_cast<std::int16_t>(x_.weight[column]);
        }
    }
}

void LevelRows::horizontal_far(const std::uint8_t* row, std::int32_t* out) const {
    for (std::int32_t i = 0; i < width_; ++i) {
        const std::int32_t at = x_.at[up(i)], w = x_.weight[up(i)];
        out[i] = row[at] * (one - w) + row[at + 1] * w;
    }
}

// Whether 16 bytes from any pixel of the row on lie within the picture's memory.
bool LevelRows::readable_behind(std::int32_t source_row) const {
    return image_.stride_bytes >= image_.width && image_.width >= 16 && source_row < image_.height - 1;
}

const std::int32_t* LevelRows::horizontal(std::int32_t source_row) {
    const std::size_t slot = up(source_row % 2);
    if (held_[slot] != source_row) {
        const std::uint8_t* row = image_.pixels + source_row * image_.stride_bytes;
        std::int32_t* out = lines_[slot].data();
        if (taps_.empty() || !readable_behind(source_row)) {
            std::memcpy(source_.data(), row, up(image_.width));
            row = source_.data();
        }
        if (taps_.empty()) {
            horizontal_far(row, out);
        } else {
            leaves_.resize_row(row, taps_.data(), width_, out);
        }
        held_[slot] = source_row;
    }
    return lines_[slot].data();
}

const std::uint8_t* LevelRows::next() {
    const std::int32_t row = row_++;
    if (width_ == image_.width && height_ == image_.height) {
        std::memcpy(level_.data(), image_.pixels + row * image_.stride_bytes, up(width_));
        return level_.data();
    }
    const std::int32_t at = y_.at[up(row)], weight = y_.weight[up(row)];
    const std::int32_t below = std::min(at + 1, image_.height - 1);
    const std::int32_t* upper = horizontal(at);
    const std::int32_t* lower = (weight == 0) ? upper : horizontal(below);
    leaves_.blend_rows((weight == one) ? lower : upper, lower, one - weight, weight, width_, level_.data());
    return level_.data();
}

StripBuffer::StripBuffer(std::int32_t max_width, std::int32_t rows, bool squares, bool tilted)
    : half_(((max_width + 1) / 2 + 1 + padding) / 16 * 16), stride_(2 * half_ + padding), capacity_(rows) {
    const std::size_t size = up(stride_) * up(rows) + up(padding);
    sum_.assign(size, 0);
    if (squares) {
        square_.assign(size, 0);
    }
    if (tilted) {
        tilted_.assign(size, 0);
    }
}

void StripBuffer::start(std::int32_t width, bool split) {
    width_ = width;
    split_ = split;
    held_ = 1;
    pushed_ = 0;
    std::fill_n(sum_.begin(), stride_, 0);
    if (!square_.empty()) {
        std::fill_n(square_.begin(), stride_, 0U);
    }
    if (tilted_.empty()) {
        return;
    }
    std::fill_n(tilted_.begin(), stride_, 0);
    for (auto& line : tilted_above_) {
        line.assign(up(width + 2), 0);
    }
    pixels_above_.assign(up(width + 2), 0);
}

void StripBuffer::drop(std::int32_t rows) {
    const auto move = [&](auto& v) {
        if (!v.empty()) {
            std::memmove(v.data(), v.data() + up(rows) * up(stride_), up(held_ - rows) * up(stride_) * sizeof(v[0]));
        }
    };
    move(sum_);
    move(square_);
    move(tilted_);
    held_ -= rows;
}

void StripBuffer::push(const std::uint8_t* pixels, const Leaves& leaves) {
    const std::size_t above = up(held_ - 1) * up(stride_), here = up(held_) * up(stride_);
    leaves.integral_row(pixels, width_, split_ ? half_ : 0, sum_.data() + above, sum_.data() + here,
                        square_.empty() ? nullptr : square_.data() + above, square_.empty() ? nullptr : square_.data() + here);
    if (!tilted_.empty()) {
        push_tilted(pixels);
    }
    ++held_;
    ++pushed_;
}

// T(x, y) = sum of the pixels (i, j) with j < y and |i - x + 1| <= y - j - 1: a triangle that stands on its tip.
//   T(x, y) = T(x-1, y-1) + T(x+1, y-1) - T(x, y-2) + p(x-1, y-1) + p(x-1, y-2)
// Column 0 has its tip outside the image, where p is 0; columns outside are cut off as at the edges of a sum.
void StripBuffer::push_tilted(const std::uint8_t* pixels) {
    auto& last = tilted_above_[0];
    auto& before = tilted_above_[1];
    std::vector<std::int64_t> row(up(width_ + 2), 0);
    row[0] = last[1];
    for (std::int32_t x = 1; x <= width_; ++x) {
        const std::int64_t right = (x < width_) ? last[up(x + 1)] : before[up(x)];
        row[up(x)] = last[up(x - 1)] + right - before[up(x)] + pixels[x - 1] + pixels_above_[up(x - 1)];
    }
    std::int32_t* out = tilted_.data() + up(held_) * up(stride_);
    for (std::int32_t x = 0; x <= width_; ++x) {
        out[split_ ? x / 2 + (x % 2) * half_ : x] = static_cast<std::int32_t>(static_cast<std::uint32_t>(row[up(x)]));
    }
    before = std::move(last);
    last = std::move(row);
    std::copy_n(pixels, width_, pixels_above_.begin());
}

Strip StripBuffer::view() const noexcept {
    return {sum_.data(), square_.data(), tilted_.empty() ? sum_.data() : tilted_.data(), stride_};
}

} // namespace fk::cascade
