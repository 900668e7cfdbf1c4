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

#include "ops/dims.hpp"

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

// What the window rule gives an op's Shape: sizes in and out, and the window itself.
template <class Shape> void set_window(Shape& s, const WindowParams& window, std::int64_t in_h, std::int64_t in_w) {
    const WindowShape out = infer_window(window, in_h, in_w);
    s.ih = checked_int(in_h, "input height");
    s.iw = checked_int(in_w, "input width");
    s.oh = checked_int(out.out_h, "output height");
    s.ow = checked_int(out.out_w, "output width");
    s.kh = checked_int(window.size[0], "window height");
    s.kw = checked_int(window.size[1], "window width");
    s.stride_h = checked_int(window.stride[0], "stride");
    s.stride_w = checked_int(window.stride[1], "stride");
    s.pad_top = checked_int(out.pad_top, "padding");
    s.pad_left = checked_int(out.pad_left, "padding");
    if constexpr (requires { s.dilation_h; }) {
        s.dilation_h = checked_int(window.dilation[0], "dilation");
        s.dilation_w = checked_int(window.dilation[1], "dilation");
    }
}

// Whether a device's groups can keep the part of the image that their windows reach in local memory, of which every device
// has 32 KiB: the smallest group computes 4 rows of 16 outputs, columns in whole strides.
template <class Shape> bool tile_fits(const Shape& s) {
    std::array<std::int64_t, 2> reach{s.kh, s.kw};
    if constexpr (requires { s.dilation_h; }) {
        reach = {(s.kh - 1) * std::int64_t(s.dilation_h) + 1, (s.kw - 1) * std::int64_t(s.dilation_w) + 1};
    }
    constexpr std::int64_t most = 32 * 1024 / 4;
    const std::int64_t rows = 3 * std::int64_t(s.stride_h) + reach[0];
    const std::int64_t columns = 16 * std::int64_t(s.stride_w) + reach[1];
    return rows <= most && columns <= most && rows * columns <= most;
}

} // namespace fk
