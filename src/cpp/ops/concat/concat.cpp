#include "ops/concat/concat.hpp"

#include <algorithm>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const ConcatLeaf&);                                                                                            \
    }
#include "ops/concat/kernels.inc"
#undef FK_KERNEL

namespace concat {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/concat/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("concat", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_concat_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/concat/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("concat", device_rows);
} // namespace

Shape infer(const Params& p) {
    require(!p.x.empty(), "concat needs at least one array");
    const auto& [n, c0, ih, iw] = p.x.front();
    Shape s{.n = checked_int(n, "batch"),
            .ih = checked_int(ih, "input height"),
            .iw = checked_int(iw, "input width"),
            .channels = {},
            .c = 0};
    std::int64_t total = 0;
    for (std::size_t t = 0; t < p.x.size(); ++t) {
        const auto& [xn, c, xh, xw] = p.x[t];
        require(xn == n && xh == ih && xw == iw, "xs[", t, "] has shape [", xn, ", ", c, ", ", xh, ", ", xw,
                "], all but the channels must be as in xs[0]: [", n, ", ", c0, ", ", ih, ", ", iw, "]");
        require_values(p.x[t], message("xs[", t, "]").c_str());
        s.channels.push_back(checked_int(c, "channels"));
        total += c;
    }
    s.c = checked_int(total, "channels of the output");
    return s;
}

Cost cost(const Shape& s) {
    const double values = double(s.n) * s.c * s.ih * s.iw;
    return {.flops = 0, .bytes_read = 4 * values, .bytes_written = 4 * values};
}

fk_concat_shape device_shape(const Shape& s) {
    require(s.channels.size() <= FK_CONCAT_MOST, "concat on a device takes at most ", FK_CONCAT_MOST, " arrays, there are ",
            s.channels.size());
    fk_concat_shape shape{
        .n = s.n, .ih = s.ih, .iw = s.iw, .c = s.c, .inputs = static_cast<int>(s.channels.size()), .channels = {}};
    std::copy(s.channels.begin(), s.channels.end(), shape.channels);
    return shape;
}

Cost device_cost(const fk_concat_shape& s) { return cost(Shape{.n = s.n, .ih = s.ih, .iw = s.iw, .channels = {}, .c = s.c}); }

const DeviceRow<fk_concat_shape>& choose_device_kernel(const fk_concat_shape& shape, std::string_view target) {
    return choose_device_row("concat", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads, int block)
    : shape_(shape), row_(&choose_row("concat", rows, shape, block)),
      threads_(threads_for(static_cast<std::int64_t>(2 * cost(shape).bytes_read), bytes_worth_a_thread, threads)) {
    const int lanes = row_->block;
    int to = 0;
    for (std::size_t input = 0; input < shape.channels.size(); ++input) {
        for (int from = 0; from < shape.channels[input];) {
            const int left = shape.channels[input] - from;
            const int share = threads_ == 1 ? left : static_cast<int>(ceil_div(shape.channels[input], pieces_per_thread));
            const int blocks = lanes == 1 ? std::min(left, share) : 1;
            const int count = lanes == 1 ? blocks : std::min({lanes - from % lanes, lanes - to % lanes, left});
            pieces_.push_back({.input = static_cast<int>(input),
                               .x_block = from / lanes,
                               .x_lane = from % lanes,
                               .y_block = to / lanes,
                               .y_lane = to % lanes,
                               .lanes = lanes == 1 ? 1 : count,
                               .blocks = blocks});
            from += count;
            to += count;
        }
    }
}

void Plan::run(const float* const* xs, float* y, int images, Scratch& /*scratch*/, const int* which) const {
    const Shape& s = shape_;
    const int block = row_->block;
    const std::int64_t pixels = std::int64_t(s.ih) * s.iw;
    const std::int64_t plane = pixels * block;
    const int pieces = static_cast<int>(pieces_.size());
    parallel_for(images * pieces, threads_, [&](int task, int) {
        const std::int64_t image = task / pieces;
        const Piece& piece = pieces_[static_cast<std::size_t>(task % pieces)];
        const std::int64_t x_blocks = ceil_div(s.channels[static_cast<std::size_t>(piece.input)], block);
        const std::int64_t y_blocks = ceil_div(s.c, block);
        row_->function(ConcatLeaf{.x = xs[which != nullptr ? which[piece.input] : piece.input] +
                                       (image * x_blocks + piece.x_block) * plane + piece.x_lane,
                                  .y = y + (image * y_blocks + piece.y_block) * plane + piece.y_lane,
                                  .pixels = pixels * piece.blocks,
                                  .lanes = piece.lanes});
    });
}

} // namespace concat
} // namespace fk
