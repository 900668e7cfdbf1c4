#include "ops/conv2d_int8/conv2d_int8.hpp"

#include <algorithm>
#include <cstring>

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, pairs)                                                                          \
    namespace isa {                                                                                                              \
    void function(const Conv2dInt8Leaf&);                                                                                        \
    }
#include "ops/conv2d_int8/kernels.inc"
#undef FK_KERNEL

namespace conv2d_int8 {

namespace {

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, pairs) {Isa::isa, name, &isa::function, &eligible, pairs},
#include "ops/conv2d_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("conv2d_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_conv2d_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, pairs)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/conv2d_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("conv2d_int8", device_rows);

// Padded rows of one band stay well inside a second-level cache of 512 KiB.
constexpr std::int64_t band_bytes = 128 * 1024;
// Pixels of a flat band: a multiple of every tile width in use (3, 6, 12, 14).
constexpr std::int64_t flat_pixels = 84;
// A word read at the end of a row may reach past it.
constexpr std::int64_t slack = 64;
constexpr int step_bytes = 64; // of weights, a block of channels and a half (simd/dot.hpp)

// Groups that share blocks of channels are one group whose weights across groups are 0.
bool whole_blocks(const Shape& s) { return s.ic / s.groups % byte_block == 0 && s.oc / s.groups % byte_block == 0; }

} // namespace

Shape infer(const conv2d::Params& p) {
    const Shape s = conv2d::infer(p);
    const std::int64_t terms = std::int64_t(s.ic / s.groups) * s.kh * s.kw;
    const double x_bytes = double(round_up(s.ic, byte_block)) * s.ih * s.iw;
    require(x_bytes < 2147483648.0, "an image of ", s.ic, " x ", s.ih, " x ", s.iw, " bytes, in blocks of ", byte_block,
            " channels, is larger than 2^31");
    require(terms <= most_terms, "a sum of ", s.ic / s.groups, " x ", s.kh, " x ", s.kw, " = ", terms,
            " products may leave int32; at most ", most_terms, " are served");
    return s;
}

Cost cost(const Shape& s) {
    const double outputs = double(s.n) * s.oc * s.oh * s.ow;
    const int channels = s.ic / s.groups; // of a filter; the groups share them evenly
    const double weights = double(s.oc) * channels * s.kh * s.kw;
    return {.flops = 2 * outputs * channels * s.kh * s.kw,
            .bytes_read = double(s.n) * s.ic * s.ih * s.iw + weights + 12.0 * s.oc,
            .bytes_written = outputs,
            .weight_bytes = weights + 12.0 * s.oc};
}

fk_conv2d_int8_shape device_shape(const Shape& s, int zero_point, const Requantization& r) {
    return window_shape(s, {.channels = s.ic, .groups = s.groups}, zero_point, r);
}

Cost device_cost(const fk_conv2d_int8_shape& s) {
    const double weights = double(s.oc) * (s.ic / s.groups) * s.kh * s.kw;
    const double outputs = double(s.n) * s.oc * s.oh * s.ow;
    return {.flops = 2 * weights * s.n * s.oh * s.ow,
            .bytes_read = double(s.n) * s.ic * s.ih * s.iw + weights + 12.0 * s.oc,
            .bytes_written = outputs,
            .weight_bytes = weights + 12.0 * s.oc};
}

const DeviceRow<fk_conv2d_int8_shape>& choose_device_kernel(const fk_conv2d_int8_shape& shape, std::string_view target) {
    return choose_device_row("conv2d_int8", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const std::int8_t* w, int zero_point, const Requantization& r, bool planar_x, int threads)
    : shape_(shape), row_(&choose_row("conv2d_int8", rows, shape)), zero_point_(zero_point), planar_x_(planar_x),
      threads_(threads), groups_(!planar_x && whole_blocks(shape) ? shape.groups : 1), requantize_(r, shape.oc) {
    check_zero_point(zero_point);
    check_requantization(r, shape.oc);
    divide_work();
    find_offsets();
    pack(w);
}

int Plan::group_planes() const { return planar_x_ ? shape_.ic : static_cast<int>(ceil_div(shape_.ic / groups_, byte_block)); }

void Plan::divide_work() {
    const Shape& s = shape_;
    const std::int64_t reach_h = std::int64_t(s.kh - 1) * s.dilation_h + 1;
    const std::int64_t width = std::int64_t(s.ow - 1) * s.stride_w + std::int64_t(s.kw - 1) * s.dilation_w + 1;
    const std::int64_t height = std::int64_t(s.oh - 1) * s.stride_h + reach_h;
    padded_ = planar_x_ || s.pad_top > 0 || s.pad_left > 0 || height > s.ih || width > s.iw;
    flat_ = !padded_ && s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.oh == s.ih && s.ow == s.iw;
    width_ = padded_ ? width : s.iw;
    oc_blocks_ = static_cast<int>(ceil_div(s.oc / groups_, byte_block));
    block_group_ = row_->isa == Isa::avx2 ? 1 : !flat_ && s.ow <= 6 ? 4 : 2;
    const std::int64_t units = flat_ ? ceil_div(std::int64_t(s.oh) * s.ow, flat_pixels) : s.oh;
    threads_ = threads_for(static_cast<std::int64_t>(cost(s).flops), bytes_ops_worth_a_thread, threads_);
    const std::int64_t wanted = threads_ > 1 ? ceil_div(std::int64_t(threads_) * pieces_per_thread, s.n) : 1;
    // Each piece of an image reads all weights, each piece of the filters all of x: what there is more of is cut.
    const std::int64_t weight_bytes = std::int64_t(s.oc) * (s.ic / s.groups) * s.kh * s.kw;
    const bool by_filters = wanted > 1 && weight_bytes > std::int64_t(s.ic) * s.ih * s.iw;
    parts_ = by_filters ? static_cast<int>(std::min(wanted, ceil_div(oc_blocks_, block_group_))) : 1;
    std::int64_t rows_per_band = by_filters ? units : std::max<std::int64_t>(1, units / std::max<std::int64_t>(1, wanted));
    if (!flat_) {
        const std::int64_t row_bytes = width_ * group_planes() * pixel();
        const std::int64_t fitting = (band_bytes / std::max<std::int64_t>(1, row_bytes) - reach_h) / s.stride_h + 1;
        rows_per_band = std::clamp<std::int64_t>(fitting, 1, rows_per_band);
        if (padded_) {
            booking_.book(((rows_per_band - 1) * s.stride_h + reach_h) * row_bytes + slack);
        }
    }
    height_ = padded_ ? (rows_per_band - 1) * s.stride_h + reach_h : s.ih;
    bands_ = static_cast<int>(ceil_div(units, rows_per_band));
}

// Where the four bytes of each step stand, from the first byte of an output's window.
void Plan::find_offsets() {
    const Shape& s = shape_;
    const std::int64_t plane = width_ * height_ * pixel();
    const int channels = s.ic / groups_;
    std::vector<std::int64_t> found;
    for (int c = 0; c < channels; c += planar_x_ ? 1 : byte_block) {
        for (int p = 0; p < s.kh; ++p) {
            const std::int64_t row = c / pixel() * plane + std::int64_t(p) * s.dilation_h * width_ * pixel();
            for (int q = 0; q < s.kw; q += columns_of_word()) {
                const std::int64_t at = row + std::int64_t(q) * s.dilation_w * pixel();
                const int words = planar_x_ ? 1 : static_cast<int>(ceil_div(std::min(byte_block, channels - c), 4));
                for (int word = 0; word < words; ++word) {
                    found.push_back(at + 4 * word);
                    terms_.push_back({c + 4 * word, p, q});
                }
            }
        }
    }
    steps_ = static_cast<int>(found.size());
    offsets_ = Tensor<std::int32_t>(steps_);
    for (std::size_t i = 0; i < found.size(); ++i) {
        offsets_[static_cast<std::int64_t>(i)] = checked_int(found[i], "offset in x");
    }
}

// The weight that meets byte `byte` of a step's word; 0 where none does.
std::int8_t Plan::weight(const std::int8_t* w, std::int64_t filter, const Term& term, int byte) const {
    const Shape& s = shape_;
    const int icg = s.ic / s.groups;
    int channel = term.channel;
    int column = term.column;
    (planar_x_ ? column : channel) += byte;
    if (groups_ == 1 && s.groups > 1) { // channels of other groups have no weight
        channel -= static_cast<int>(filter) / (s.oc / s.groups) * icg;
    }
    const bool none =
        filter >= s.oc || channel < 0 || channel >= icg || column >= std::min(s.kw, term.column + columns_of_word());
    return none ? std::int8_t{0} : w[((filter * icg + channel) * s.kh + term.row) * s.kw + column];
}

// Sixteen filters of one step: bytes, or pairs of int16 (bytes 0 and 2 of the words, then, a group of blocks further, 1 and 3).
void Plan::pack_step(std::int8_t* to, const std::int8_t* w, std::int64_t first, const Term& term, int blocks) const {
    for (int o = 0; o < byte_block; ++o) {
        for (int byte = 0; byte < 4; ++byte) {
            const std::int8_t value = weight(w, first + o, term, byte);
            if (!row_->pairs) {
                to[o * 4 + byte] = value;
                continue;
            }
            const std::int16_t wide = value;
            std::memcpy(to + std::int64_t(byte % 2) * blocks * step_bytes + (o * 2 + byte / 2) * 2, &wide, sizeof wide);
        }
    }
}

void Plan::pack(const std::int8_t* w) {
    const Shape& s = shape_;
    const int halves = row_->pairs ? 2 : 1;
    weights_ = Tensor<std::int8_t>(std::int64_t(groups_) * oc_blocks_ * steps_ * halves * step_bytes);
    start_ = Tensor<std::int32_t>(std::int64_t(groups_) * oc_blocks_ * byte_block);
    std::int8_t* to = weights_.data();
    for (int group = 0; group < groups_; ++group) {
        for (int block = 0; block < oc_blocks_; block += block_group_) {
            const int blocks = std::min(block_group_, oc_blocks_ - block);
            // Groups fill whole blocks where there are several, so blocks number filters through all of them.
            const std::int64_t first = (std::int64_t(group) * oc_blocks_ + block) * byte_block;
            for (int step = 0; step < steps_; ++step, to += halves * blocks * step_bytes) {
                for (int b = 0; b < blocks; ++b) {
                    pack_step(to + b * step_bytes, w, first + b * byte_block, terms_[static_cast<std::size_t>(step)], blocks);
                }
            }
        }
    }
    const std::int64_t terms = std::int64_t(s.ic / s.groups) * s.kh * s.kw;
    for (std::int64_t o = 0; o < s.oc; ++o) {
        std::int64_t sum = 0;
        for (std::int64_t i = 0; i < terms; ++i) {
            sum += w[o * terms + i];
        }
        start_[o] = static_cast<std::int32_t>(-sum * zero_point_);
    }
}

void Plan::run(const std::uint8_t* x, std::uint8_t* y, const std::uint8_t* residual, int images, Scratch& scratch) const {
    const Shape& s = shape_;
    const std::int64_t x_image = (planar_x_ ? s.ic : round_up(s.ic, byte_block)) * s.ih * s.iw;
    const std::int64_t y_image = round_up(s.oc, byte_block) * s.oh * s.ow;
    const int units = flat_ ? static_cast<int>(ceil_div(std::int64_t(s.oh) * s.ow, flat_pixels)) : s.oh;
    const std::int64_t turns = ceil_div(oc_blocks_, block_group_); // of the kernels' loop over filters
    parallel_bands(std::int64_t(images) * parts_, units, bands_, threads_, [&](std::int64_t plane, int begin, int end, int slot) {
        const std::int64_t image = plane / parts_;
        const std::int64_t part = plane % parts_;
        const auto first_block = static_cast<int>(turns * part / parts_ * block_group_);
        const auto last_block = static_cast<int>(std::min<std::int64_t>(turns * (part + 1) / parts_ * block_group_, oc_blocks_));
        for (int group = 0; group < groups_; ++group) {
            run_band({.x = x + image * x_image + std::int64_t(group) * group_planes() * s.ih * s.iw * pixel(),
                      .y = y + image * y_image,
                      .residual = residual != nullptr ? residual + image * y_image : nullptr,
                      .first_block = group * oc_blocks_ + first_block,
                      .blocks = last_block - first_block,
                      .begin = begin,
                      .end = end},
                     padded_ ? scratch.slot<std::uint8_t>(slot) : nullptr);
        }
    });
}

void Plan::copy_padded(const std::uint8_t* x, int first_row, int rows, std::uint8_t* padded) const {
    const Shape& s = shape_;
    const auto bytes = [&](std::int64_t pixels) { return static_cast<std::size_t>(pixels * pixel()); };
    const std::int64_t left = std::min<std::int64_t>(s.pad_left, width_);
    const std::int64_t inside = std::clamp<std::int64_t>(s.iw, 0, width_ - left);
    for (int plane = 0; plane < group_planes(); ++plane) {
        std::uint8_t* to = padded + plane * width_ * height_ * pixel();
        for (int r = first_row; r < first_row + rows; ++r, to += width_ * pixel()) {
            if (r < 0 || r >= s.ih) {
                std::memset(to, zero_point_, bytes(width_));
                continue;
            }
            std::memset(to, zero_point_, bytes(left));
            std::memcpy(to + left * pixel(), x + (std::int64_t(plane) * s.ih + r) * s.iw * pixel(), bytes(inside));
            std::memset(to + (left + inside) * pixel(), zero_point_, bytes(width_ - left - inside));
        }
    }
}

void Plan::run_band(const Band& band, std::uint8_t* padded) const {
    const Shape& s = shape_;
    const std::int64_t y_block = std::int64_t(s.oh) * s.ow * byte_block;
    const std::int64_t block = band.first_block;
    const std::int64_t first_pixel = flat_ ? band.begin * flat_pixels : std::int64_t(band.begin) * s.ow;
    const std::int64_t y_at = block * y_block + first_pixel * byte_block;
    const int rows = band.end - band.begin;
    const int first_row = band.begin * s.stride_h - s.pad_top;
    const std::uint8_t* x = band.x;
    if (padded_) {
        copy_padded(x, first_row, (rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1, padded);
        x = padded;
    } else {
        x += flat_ ? first_pixel * byte_block : std::int64_t(first_row) * s.iw * byte_block;
    }
    Conv2dInt8Leaf leaf{.x = x,
                        .offsets = offsets_.data(),
                        .w = weights_.data() + block * steps_ * (row_->pairs ? 2 : 1) * step_bytes,
                        .start = start_.data() + block * byte_block,
                        .requantize = requantize_.from(block * byte_block),
                        .residual = band.residual != nullptr ? band.residual + y_at : nullptr,
                        .y = band.y + y_at,
                        .x_row = width_ * s.stride_h * pixel(),
                        .x_pixel = s.stride_w * pixel(),
                        .y_row = std::int64_t(s.ow) * byte_block,
                        .y_block = y_block,
                        .rows = rows,
                        .ow = s.ow,
                        .steps = steps_,
                        .oc_blocks = band.blocks,
                        .group = block_group_};
    if (!flat_) {
        row_->function(leaf);
        return;
    }
    leaf.rows = 1; // a unit of pixels at a time, so that what all filters read of x stays in the first-level cache
    const std::int64_t last_pixel = std::min(band.end * flat_pixels, std::int64_t(s.oh) * s.ow);
    for (std::int64_t pixel = first_pixel; pixel < last_pixel; pixel += flat_pixels) {
        leaf.ow = static_cast<int>(std::min(flat_pixels, last_pixel - pixel));
        row_->function(leaf);
        leaf.x += flat_pixels * byte_block;
        leaf.y += flat_pixels * byte_block;
        leaf.residual = band.residual != nullptr ? leaf.residual + flat_pixels * byte_block : nullptr;
    }
}

} // namespace conv2d_int8
} // namespace fk
