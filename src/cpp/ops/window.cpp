#include "ops/window.hpp"

#include <limits>

#include "base/error.hpp"

namespace fk {

namespace {
struct Axis {
    std::int64_t out, before;
};

Axis infer_axis(const char* axis, std::int64_t in, std::int64_t size, std::int64_t stride, std::int64_t dilation,
                Padding::Kind kind, std::int64_t before, std::int64_t after) {
    require(in >= 1, "input ", axis, " must be at least 1, is ", in);
    require(size >= 1, "window ", axis, " must be at least 1, is ", size);
    require(stride >= 1, "stride along the ", axis, " must be at least 1, is ", stride);
    require(dilation >= 1, "dilation along the ", axis, " must be at least 1, is ", dilation);
    require(before >= 0 && after >= 0, "padding along the ", axis, " must not be negative, is (", before, ", ", after, ")");
    constexpr std::int64_t limit = std::numeric_limits<int>::max();
    require(in <= limit && size <= limit && stride <= limit && dilation <= limit && before <= limit && after <= limit,
            "a window parameter along the ", axis, " exceeds ", limit);
    const std::int64_t reach = (size - 1) * dilation + 1;
    if (kind == Padding::Kind::same) {
        const std::int64_t out = (in + stride - 1) / stride;
        const std::int64_t total = (out - 1) * stride + reach - in;
        return {out, total > 0 ? total / 2 : 0};
    }
    const std::int64_t room = in + before + after - reach;
    require(room >= 0, "no output ", axis, ": input ", in, " + padding ", before, " + ", after,
            " is less than the window's reach (", size, " - 1) * ", dilation, " + 1 = ", reach);
    return {room / stride + 1, before};
}
} // namespace

WindowShape infer_window(const WindowParams& w, std::int64_t in_h, std::int64_t in_w) {
    const auto& p = w.padding.sides;
    const Axis h = infer_axis("height", in_h, w.size[0], w.stride[0], w.dilation[0], w.padding.kind, p[0], p[1]);
    const Axis v = infer_axis("width", in_w, w.size[1], w.stride[1], w.dilation[1], w.padding.kind, p[2], p[3]);
    return {h.out, v.out, h.before, v.before};
}

} // namespace fk
