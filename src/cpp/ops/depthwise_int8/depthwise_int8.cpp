#include "ops/depthwise_int8/depthwise_int8.hpp"

#include <algorithm>
#include <cstring>

#include "ops/conv2d_int8/conv2d_int8.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, quads)                                                                          \
    namespace isa {                                                                                                              \
    void function(const DepthwiseInt8Leaf&);                                                                                     \
    }
#include "ops/depthwise_int8/kernels.inc"
#undef FK_KERNEL

namespace depthwise_int8 {

namespace {

[[maybe_unused]] bool neighbouring_columns(const Shape& s) { return s.dilation_w == 1; }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, quads) {Isa::isa, name, &isa::function, &eligible, quads},
#include "ops/depthwise_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("depthwise_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_conv2d_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, quads)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/depthwise_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("depthwise_int8", device_rows);

constexpr std::int64_t slack = 128;
constexpr int step_bytes = 64; // of weights for sixteen channels
constexpr std::int64_t most_terms = 1 << 16;

std::int64_t reach(int size, int dilation) { return std::int64_t(size - 1) * dilation + 1; }

} // namespace

Shape infer(const depthwise::Params& p) {
    const Shape s = depthwise::infer(p);
    require(s.oc == s.c, "w has ", s.oc, " filters, expected one for each of the ", s.c, " channels of x");
    require(std::int64_t(s.kh) * s.kw <= most_terms, "a sum of ", s.kh, " x ", s.kw, " products may leave int32; at most ",
            most_terms, " are served");
    return s;
}

Cost cost(const Shape& s) {
    const double outputs = double(s.n) * s.oc * s.oh * s.ow;
    const double window = double(s.kh) * s.kw;
    return {.flops = 2 * outputs * window,
            .bytes_read = double(s.n) * s.c * s.ih * s.iw + s.oc * window + 12.0 * s.oc,
            .bytes_written = outputs,
            .weight_bytes = s.oc * window + 12.0 * s.oc};
}

fk_conv2d_int8_shape device_shape(const Shape& s, int zero_point, const Requantization& r) {
    return conv2d_int8::window_shape(s, {.channels = s.c, .groups = s.c}, zero_point, r);
}

Cost device_cost(const fk_conv2d_int8_shape& s) { return conv2d_int8::device_cost(s); }

const DeviceRow<fk_conv2d_int8_shape>& choose_device_kernel(const fk_conv2d_int8_shape& shape, std::string_view target) {
    return choose_device_row("depthwise_int8", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const std::int8_t* w, int zero_point, const Requantization& r, int threads)
    : shape_(shape), row_(&choose_row("depthwise_int8", rows, shape)), zero_point_(zero_point),
      threads_(threads_for(static_cast<std::int64_t>(depthwise_int8::cost(shape).flops), bytes_ops_worth_a_thread, threads)),
      bands_(bands_for(shape.n * ceil_div(shape.oc, byte_block), shape.oh, threads_)), requantize_(r, shape.oc) {
    check_zero_point(zero_point);
    check_requantization(r, shape.oc);
    const std::int64_t width = std::int64_t(shape.ow - 1) * shape.stride_w + reach(shape.kw, shape.dilation_w);
    const std::int64_t height = std::int64_t(shape.oh - 1) * shape.stride_h + reach(shape.kh, shape.dilation_h);
    // Loads of four pixels may reach past the last: into scratch, not into what another layer owns.
    padded_ = row_->quads || shape.pad_top > 0 || shape.pad_left > 0 || width > shape.iw || height > shape.ih;
    width_ = padded_ ? width : shape.iw;
    if (padded_) {
        const std::int64_t rows_of_band = ceil_div(shape.oh, bands_);
        booking_.book(((rows_of_band - 1) * shape.stride_h + reach(shape.kh, shape.dilation_h)) * width_ * byte_block + slack);
    }
    pack(w);
}

void Plan::pack(const std::int8_t* w) {
    const Shape& s = shape_;
    const int window = s.kh * s.kw;
    pairs_ = static_cast<int>(ceil_div(window, 2));
    outputs_ = s.kw + s.stride_w <= round_up(s.kw, 4) ? 2 : 1;
    runs_ = static_cast<int>(ceil_div(s.kw, 4));
    const std::int64_t planes = ceil_div(s.c, byte_block);
    plane_bytes_ = row_->quads ? std::int64_t(s.kh) * runs_ * outputs_ * step_bytes : std::int64_t(pairs_) * step_bytes;
    weights_ = Tensor<std::int8_t>(planes * plane_bytes_);
    offsets_ = Tensor<std::int32_t>(2 * std::int64_t(pairs_)); // the odd one out: offset 0, weight 0
    start_ = Tensor<std::int32_t>(planes * byte_block);
    for (int tap = 0; tap < window; ++tap) {
        const std::int64_t at = std::int64_t(tap / s.kw) * s.dilation_h * width_ + std::int64_t(tap % s.kw) * s.dilation_w;
        offsets_[tap] = checked_int(at * byte_block, "offset in x");
    }
    for (std::int64_t c = 0; c < s.c; ++c) {
        std::int64_t sum = 0;
        for (int tap = 0; tap < window; ++tap) {
            sum += w[c * window + tap];
        }
        start_[c] = static_cast<std::int32_t>(-sum * zero_point_);
    }
    if (row_->quads) {
        pack_quads(w);
    } else {
        pack_pairs(w);
    }
}

void Plan::pack_pairs(const std::int8_t* w) {
    const int window = shape_.kh * shape_.kw;
    for (std::int64_t c = 0; c < shape_.c; ++c) {
        for (int tap = 0; tap < window; ++tap) {
            const std::int16_t wide = w[c * window + tap];
            std::memcpy(weights_.data() + c / byte_block * plane_bytes_ + tap / 2 * step_bytes +
                            (c % byte_block * 2 + tap % 2) * 2,
                        &wide, sizeof wide);
        }
    }
}

void Plan::pack_quads(const std::int8_t* w) {
    const Shape& s = shape_;
    for (std::int64_t c = 0; c < s.c; ++c) {
        for (int row = 0; row < s.kh; ++row) {
            for (int output = 0; output < outputs_; ++output) {
                for (int q = 0; q < s.kw; ++q) {
                    const int column = q + output * s.stride_w;
                    std::int8_t* to = weights_.data() + c / byte_block * plane_bytes_ +
                                      ((std::int64_t(row) * runs_ + column / 4) * outputs_ + output) * step_bytes;
                    to[c % byte_block * 4 + column % 4] = w[(c * s.kh + row) * s.kw + q];
                }
            }
        }
    }
}

void Plan::copy_padded(const std::uint8_t* plane, int first_row, int rows, std::uint8_t* to) const {
    const Shape& s = shape_;
    const auto bytes = [](std::int64_t pixels) { return static_cast<std::size_t>(pixels * byte_block); };
    const std::int64_t left = std::min<std::int64_t>(s.pad_left, width_);
    const std::int64_t inside = std::clamp<std::int64_t>(s.iw, 0, width_ - left);
    for (int r = first_row; r < first_row + rows; ++r, to += width_ * byte_block) {
        if (r < 0 || r >= s.ih) {
            std::memset(to, zero_point_, bytes(width_));
            continue;
        }
        std::memset(to, zero_point_, bytes(left));
        std::memcpy(to + left * byte_block, plane + std::int64_t(r) * s.iw * byte_block, bytes(inside));
        std::memset(to + (left + inside) * byte_block, zero_point_, bytes(width_ - left - inside));
    }
}

void Plan::run(const std::uint8_t* x, std::uint8_t* y, int images, Scratch& scratch) const {
    const Shape& s = shape_;
    const std::int64_t planes = ceil_div(s.c, byte_block);
    const std::int64_t x_plane = std::int64_t(s.ih) * s.iw * byte_block;
    const std::int64_t y_plane = std::int64_t(s.oh) * s.ow * byte_block;
    parallel_bands(images * planes, s.oh, bands_, threads_, [&](std::int64_t plane, int begin, int end, int slot) {
        const std::int64_t block = plane % planes;
        const int first_row = begin * s.stride_h - s.pad_top;
        const std::uint8_t* from = x + plane * x_plane + std::int64_t(first_row) * s.iw * byte_block;
        if (padded_) {
            auto* padded = scratch.slot<std::uint8_t>(slot);
            copy_padded(x + plane * x_plane, first_row,
                        (end - begin - 1) * s.stride_h + static_cast<int>(reach(s.kh, s.dilation_h)), padded);
            from = padded;
        }
        row_->function(DepthwiseInt8Leaf{.x = from,
                                         .w = weights_.data() + block * plane_bytes_,
                                         .offsets = offsets_.data(),
                                         .start = start_.data() + block * byte_block,
                                         .requantize = requantize_.from(block * byte_block),
                                         .y = y + plane * y_plane + std::int64_t(begin) * s.ow * byte_block,
                                         .x_row = width_ * s.stride_h * byte_block,
                                         .x_pixel = std::int64_t(s.stride_w) * byte_block,
                                         .window_row = width_ * s.dilation_h * byte_block,
                                         .rows = end - begin,
                                         .ow = s.ow,
                                         .pairs = pairs_,
                                         .kh = s.kh,
                                         .runs = runs_,
                                         .outputs = outputs_});
    });
}

} // namespace depthwise_int8
} // namespace fk
