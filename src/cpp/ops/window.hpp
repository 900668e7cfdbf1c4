// The one rule for windows that slide over an image (convolution, depthwise, pooling).
//
//   reach = (size - 1) * dilation + 1
//   out   = floor((in + pad_before + pad_after - reach) / stride) + 1
//
// "same":  out = ceil(in / stride); the padding that needs, the odd one after.   "valid": no padding.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace fk {

struct Padding {
    enum class Kind { explicit_, same, valid } kind = Kind::explicit_;
    std::array<std::int64_t, 4> sides{}; // top, bottom, left, right
};

struct WindowParams {
    std::array<std::int64_t, 2> size{1, 1};
    std::array<std::int64_t, 2> stride{1, 1};
    std::array<std::int64_t, 2> dilation{1, 1};
    Padding padding;
};

struct WindowShape {
    std::int64_t out_h = 0, out_w = 0;
    std::int64_t pad_top = 0, pad_left = 0;
};

// Throws ValueError with the formula and the numbers where a value is out of range or no output is left.
WindowShape infer_window(const WindowParams& window, std::int64_t in_h, std::int64_t in_w);

} // namespace fk
