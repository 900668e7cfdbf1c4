// One level of the pyramid as a stream of rows: fixed-point bilinear resize, then integral rows.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cascade/cascade.hpp"
#include "ops/cascade/flatten.hpp"
#include "ops/cascade/leaf.hpp"

namespace fk::cascade {

// Bilinear taps of one axis in 1/256: out = (in[at]*(256 - weight) + in[at + 1]*weight) / 256, edges repeated.
struct Axis {
    std::vector<std::int32_t> at;
    std::vector<std::int32_t> weight;
    Axis(std::int32_t source, std::int32_t target);
};

class LevelRows {
  public:
    LevelRows(const Image& image, std::int32_t width, std::int32_t height, const Leaves& leaves);
    // The next row of the level; at least `width` bytes and 64 of padding.
    const std::uint8_t* next();

  private:
    const std::int32_t* horizontal(std::int32_t source_row);
    [[nodiscard]] bool readable_behind(std::int32_t source_row) const;
    void horizontal_far(const std::uint8_t* row, std::int32_t* out) const;

    Image image_;
    std::int32_t width_, height_, row_ = 0;
    const Leaves& leaves_;
    Axis x_, y_;
    std::vector<ResizeTap> taps_; // empty: the source pixels of four outputs lie too far apart
    std::vector<std::uint8_t> source_, level_;
    std::vector<std::int32_t> lines_[2];
    std::int32_t held_[2] = {-1, -1};
};

// A window's worth of integral rows and some more, in which rows move up as the scan goes down.
class StripBuffer {
  public:
    StripBuffer(std::int32_t max_width, std::int32_t rows, bool squares, bool tilted);
    void start(std::int32_t width, bool split); // a new level
    void drop(std::int32_t rows);               // the topmost rows
    void push(const std::uint8_t* pixels, const Leaves& leaves);
    [[nodiscard]] std::int32_t held() const noexcept { return held_; }
    [[nodiscard]] std::int32_t stride() const noexcept { return stride_; }
    [[nodiscard]] std::int32_t half() const noexcept { return half_; }
    [[nodiscard]] Strip view() const noexcept;
    // Where the columns and rows of a window lie, relative to the window's place.
    [[nodiscard]] Placement placement(bool split) const noexcept { return {stride_, split ? half_ : 0}; }

  private:
    void push_tilted(const std::uint8_t* pixels);

    std::int32_t half_, stride_, capacity_, width_ = 0, held_ = 0, pushed_ = 0;
    bool split_ = false;
    std::vector<std::int32_t> sum_, tilted_;
    std::vector<std::uint32_t> square_;
    std::vector<std::int64_t> tilted_above_[2], pixels_above_;
};

} // namespace fk::cascade
