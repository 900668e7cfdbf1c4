#include "ops/conv2d/conv2d.hpp"

#include <algorithm>
#include <cstring>

#include "ops/conv2d/device.hpp"
#include "ops/dims.hpp"
#include "ops/reorder/reorder.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const Conv2dLeaf&);                                                                                            \
    }
#define FK_WINOGRAD(isa, name, function, tile, window, block)                                                                    \
    namespace isa {                                                                                                              \
    void function(const WinogradLeaf&);                                                                                          \
    void winograd_weights(const WinogradWeightsLeaf&);                                                                           \
    }
#include "ops/conv2d/kernels.inc"
#undef FK_WINOGRAD
#undef FK_KERNEL

namespace conv2d {

namespace {

// Channels of a group fill whole blocks, so that groups do not share one. A single group may end in a part of one.
template <int B> bool whole_blocks(const Shape& s) {
    return s.groups == 1 || (s.ic / s.groups % B == 0 && s.oc / s.groups % B == 0);
}

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, {.direct = &isa::function}, &eligible, block},
#define FK_WINOGRAD(isa, name, function, tile, window, block)                                                                    \
    {Isa::isa, name, {nullptr, &isa::function, &isa::winograd_weights, tile, window}, &winograd_fits<window>, block},
#include "ops/conv2d/kernels.inc"
#undef FK_WINOGRAD
#undef FK_KERNEL
});
const Registration registration = register_rows("conv2d", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_WINOGRAD(isa, name, function, tile, window, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/conv2d/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_WINOGRAD
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("conv2d", device_rows);

// What a row takes for a shape; a plan for one call alone pays for transforming the weights too.
double work(const KernelRow& row, const Shape& s, PlanFor use) {
    const int lanes = row.block;
    if (row.function.tile == 0) {
        // The reference computes one output at a time.
        return direct_work(s, lanes) * 16 / lanes;
    }
    const int side = row.function.tile + row.function.window - 1;
    const double packing = use == PlanFor::one_call ? 1.0 * side * side * s.ic * s.oc : 0.0;
    return (winograd_work(s, lanes, row.function) + packing) * 16 / lanes;
}

// Padded rows of one band stay well inside a second-level cache of 512 KiB.
constexpr std::int64_t band_bytes = 192 * 1024;
// Blocks of filters that a kernel takes at once, at most.
constexpr int most_blocks = 4;
// Bytes of weights that several bands of a thread should not pass through its second-level cache.
constexpr std::int64_t many_weights = 256 * 1024;
// Pixels of a flat band: a multiple of every tile width in use (2, 3, 4, 6, 7, 12, 14).
constexpr std::int64_t flat_pixels = 84;

// Filters of a group in its last block.
int filters_of_last(const Shape& s, int block) {
    const int oc = s.oc / s.groups;
    return oc - (ceil_div(oc, block) - 1) * block;
}

} // namespace

Shape infer(const Params& p) {
    const auto& [n, ic, ih, iw] = p.x;
    const auto& [oc, icg, kh, kw] = p.w;
    require_values(p.x);
    require(oc >= 1, "w must have at least one filter, its shape is [", oc, ", ", icg, ", ", kh, ", ", kw, "]");
    require(p.groups >= 1 && ic % p.groups == 0 && oc % p.groups == 0, "groups = ", p.groups, " must divide the ", ic,
            " input channels and the ", oc, " filters");
    require(icg == ic / p.groups, "w has ", icg, " input channels, expected x channels / groups = ", ic, " / ", p.groups, " = ",
            ic / p.groups);
    require(p.bias == -1 || p.bias == oc, "b has ", p.bias, " values, expected one for each of the ", oc, " filters");
    WindowParams window = p.window;
    window.size = {kh, kw};
    Shape s{};
    set_window(s, window, ih, iw);
    s.n = checked_int(n, "batch");
    s.ic = checked_int(ic, "input channels");
    s.oc = checked_int(oc, "filters");
    s.groups = checked_int(p.groups, "groups");
    s.activation = p.activation.kind;
    s.alpha = p.activation.alpha;
    return s;
}

Cost cost(const Shape& s) {
    const double outputs = double(s.n) * s.oc * s.oh * s.ow;
    const int channels = s.ic / s.groups;
    const double weights = double(s.oc) * channels * s.kh * s.kw;
    return {.flops = 2 * outputs * channels * s.kh * s.kw,
            .bytes_read = 4 * (double(s.n) * s.ic * s.ih * s.iw + weights + s.oc),
            .bytes_written = 4 * outputs,
            .weight_bytes = 4 * (weights + s.oc)};
}

std::vector<std::string> kernel_names(const Shape& shape) {
    const KernelRow& best = choose_row("conv2d", rows, shape);
    std::vector<std::string> names;
    for (const KernelRow& row : rows) {
        if (row.isa == best.isa && row.block > 1 && row.eligible(shape)) {
            names.emplace_back(row.name);
        }
    }
    return names;
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("conv2d", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const float* w, const float* bias, bool planar_x, int threads, PlanFor use)
    : shape_(shape), row_(&choose_row("conv2d", rows, shape, 0, [&](const KernelRow& row) { return work(row, shape, use); })),
      planar_x_((planar_x && row_->function.tile == 0) || row_->block == 1),
      threads_(threads_for(static_cast<std::int64_t>(cost(shape).flops), flops_worth_a_thread, threads)), y_channels_(shape.oc) {
    if (row_->function.tile != 0) {
        winograd_.emplace(shape, row_->function, row_->block, w, bias, threads);
        booking_ = winograd_->scratch();
        return;
    }
    pack(w, bias);
    divide_work();
}

void Plan::pack(const float* w, const float* bias) {
    const Shape& s = shape_;
    const int block = row_->block;
    const int ic = s.ic / s.groups;
    const int oc = s.oc / s.groups;
    const std::int64_t window = std::int64_t(s.kh) * s.kw;
    const std::int64_t oc_blocks = ceil_div(oc, block);
    weights_ = Tensor<float>::unset(s.groups * oc_blocks * block * ic * window);
    bias_ = Tensor<float>(s.groups * oc_blocks * block);
    const std::int64_t steps = ic * window;
    const int sharing = threads_for(8 * steps * s.oc, bytes_worth_a_thread, threads_);
    parallel_for(static_cast<int>(ceil_div(s.oc, block)), sharing, [&](int piece, int) { // groups fill whole blocks
        const std::int64_t first = std::int64_t(piece) * block;
        const std::int64_t o_block = first % oc / block;
        const int filters = static_cast<int>(std::min<std::int64_t>(block, oc - first % oc));
        Tensor<float> lanes = Tensor<float>::unset(steps * block);
        reorder::side_by_side(w + first * steps, steps, filters, steps, block, lanes.data(), block);
        float* to = weights_.data() + first / oc * oc_blocks * block * steps;
        std::int64_t step = 0;
        for (int c0 = 0; c0 < ic; c0 += block) {
            const int channels = std::min(block, ic - c0);
            for (std::int64_t k = 0; k < window; ++k) {
                for (int c = 0; c < channels; ++c, ++step) {
                    std::copy_n(lanes.data() + ((c0 + c) * window + k) * block, block,
                                to + weight_offset(o_block, oc_blocks, step, steps, block));
                }
            }
        }
    });
    if (bias != nullptr) {
        std::copy(bias, bias + s.oc, bias_.data());
    }
}

bool Plan::pool_pairs() {
    if (row_->block == 1 || shape_.oh < 2 || shape_.ow < 2) {
        return false;
    }
    pooled_ = true;
    if (!winograd_) {
        divide_work();
    }
    return true;
}

void Plan::divide_work() {
    const Shape& s = shape_;
    const std::int64_t reach_h = std::int64_t(s.kh - 1) * s.dilation_h + 1;
    const std::int64_t width = std::int64_t(s.ow - 1) * s.stride_w + std::int64_t(s.kw - 1) * s.dilation_w + 1;
    const std::int64_t height = std::int64_t(s.oh - 1) * s.stride_h + reach_h;
    padded_ = s.pad_top > 0 || s.pad_left > 0 || height > s.ih || width > s.iw;
    flat_ = !padded_ && s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.oh == s.ih && s.ow == s.iw && !pooled_;
    const int step = pooled_ ? 2 : 1; // rows of sums for a row of y
    const std::int64_t pixels = std::int64_t(s.oh) * s.ow;
    // As many units for every thread, one pixel more at most.
    flat_pixels_ = ceil_div(pixels, round_up(ceil_div(pixels, flat_pixels), s.n < threads_ ? threads_ : 1));
    const std::int64_t units = flat_ ? ceil_div(pixels, flat_pixels_) : s.oh / step;
    // Each band reads all weights: where they are many, a thread gets one band.
    const int pieces = weights_.size() * 4 > many_weights ? 1 : pieces_per_thread;
    const std::int64_t wanted = threads_ > 1 ? ceil_div(std::int64_t(threads_) * pieces, s.n) : 1;
    std::int64_t rows_per_band = std::max<std::int64_t>(1, ceil_div(units, std::max<std::int64_t>(1, wanted)));
    if (!flat_) {
        const std::int64_t channels = planar_x_ ? s.ic / s.groups : round_up(s.ic / s.groups, row_->block);
        const std::int64_t row_bytes = width * channels * 4;
        const std::int64_t fitting = (band_bytes / std::max<std::int64_t>(1, row_bytes) - reach_h) / s.stride_h + 1;
        rows_per_band = std::clamp<std::int64_t>(fitting / step, 1, rows_per_band);
        padded_floats_ = padded_ ? round_up(((rows_per_band * step - 1) * s.stride_h + reach_h) * row_bytes / 4, 16) : 0;
        const std::int64_t rows_of_blocks = pooled_ ? 2 * std::int64_t(s.ow) * most_blocks * row_->block : 0;
        booking_.book(4 * (padded_floats_ + rows_of_blocks));
    }
    bands_ = static_cast<int>(ceil_div(units, rows_per_band));
}

void Plan::run(const float* x, float* y, const float* residual, int images, Scratch& scratch) const {
    if (winograd_) {
        winograd_->run(x, y, residual, images, {.channels = y_channels_, .pooled = pooled_}, scratch);
        return;
    }
    const Shape& s = shape_;
    const std::int64_t x_channels = planar_x_ ? s.ic : round_up(s.ic, row_->block);
    const std::int64_t x_image = x_channels * s.ih * s.iw;
    const std::int64_t r_image = round_up(s.oc, row_->block) * s.oh * s.ow;
    const int step = pooled_ ? 2 : 1;
    const std::int64_t y_image = round_up(y_channels_, row_->block) * (s.oh / step) * (s.ow / step);
    const int units = flat_ ? static_cast<int>(ceil_div(std::int64_t(s.oh) * s.ow, flat_pixels_)) : s.oh / step;
    parallel_bands(images, units, bands_, threads_, [&](std::int64_t image, int begin, int end, int slot) {
        const float* r = residual != nullptr ? residual + image * r_image : nullptr;
        if (flat_) {
            run_flat(x + image * x_image, y + image * y_image, r, begin, end);
        } else {
            run_band(x + image * x_image, y + image * y_image, r, begin, end, scratch.slot<float>(slot));
        }
    });
}

void Plan::copy_padded(const float* x, int group, int first_row, int rows, float* to) const {
    const Shape& s = shape_;
    const std::int64_t pixel = planar_x_ ? 1 : row_->block;
    const std::int64_t planes = planar_x_ ? s.ic / s.groups : ceil_div(s.ic / s.groups, row_->block);
    const std::int64_t width = std::int64_t(s.ow - 1) * s.stride_w + std::int64_t(s.kw - 1) * s.dilation_w + 1;
    const std::int64_t left = std::min<std::int64_t>(s.pad_left, width);
    const std::int64_t inside = std::clamp<std::int64_t>(s.iw, 0, width - left);
    x += group * planes * s.ih * s.iw * pixel;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        for (int r = first_row; r < first_row + rows; ++r, to += width * pixel) {
            if (r < 0 || r >= s.ih) {
                std::memset(to, 0, static_cast<std::size_t>(width * pixel) * sizeof(float));
                continue;
            }
            std::memset(to, 0, static_cast<std::size_t>(left * pixel) * sizeof(float));
            std::memcpy(to + left * pixel, x + (plane * s.ih + r) * s.iw * pixel,
                        static_cast<std::size_t>(inside * pixel) * sizeof(float));
            std::memset(to + (left + inside) * pixel, 0,
                        static_cast<std::size_t>((width - left - inside) * pixel) * sizeof(float));
        }
    }
}

void Plan::run_band(const float* x, float* y, const float* residual, int begin, int end, float* scratch) const {
    const Shape& s = shape_;
    const int block = row_->block;
    const std::int64_t pixel = planar_x_ ? 1 : block;
    const int ic = s.ic / s.groups;
    const int oc_blocks = static_cast<int>(ceil_div(s.oc / s.groups, block));
    const int step = pooled_ ? 2 : 1;
    const int rows = (end - begin) * step;
    const int in_rows = (rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
    const int first_row = begin * step * s.stride_h - s.pad_top;
    const std::int64_t width = padded_ ? std::int64_t(s.ow - 1) * s.stride_w + std::int64_t(s.kw - 1) * s.dilation_w + 1 : s.iw;
    const std::int64_t height = padded_ ? in_rows : s.ih;
    const std::int64_t w_group = std::int64_t(oc_blocks) * block * ic * s.kh * s.kw;
    const std::int64_t row_of_y = std::int64_t(s.ow / step) * block;
    const std::int64_t y_block = s.oh / step * row_of_y;
    const std::int64_t row_of_sums = std::int64_t(s.ow) * block;
    for (int group = 0; group < s.groups; ++group) {
        const std::int64_t planes = planar_x_ ? ic : ceil_div(ic, block);
        const float* from = x + (group * planes * s.ih + first_row) * s.iw * pixel;
        if (padded_) {
            copy_padded(x, group, first_row, in_rows, scratch);
            from = scratch;
        }
        const std::int64_t y_at = group * oc_blocks * y_block + begin * row_of_y;
        row_->function.direct(Conv2dLeaf{.x = from,
                                         .w = weights_.data() + group * w_group,
                                         .bias = bias_.data() + std::int64_t(group) * oc_blocks * block,
                                         .residual = residual != nullptr ? residual + y_at : nullptr,
                                         .y = pooled_ ? scratch + padded_floats_ : y + y_at,
                                         .pooled = pooled_ ? y + y_at : nullptr,
                                         .x_row = width * pixel,
                                         .x_block = width * height * (planar_x_ ? block : pixel),
                                         .channel_step = planar_x_ ? width * height : 1,
                                         .pixel_step = pixel,
                                         .y_row = row_of_sums,
                                         .y_block = pooled_ ? 2 * row_of_sums : y_block,
                                         .pooled_row = row_of_y,
                                         .pooled_block = y_block,
                                         .rows = rows,
                                         .ow = s.ow,
                                         .ic = ic,
                                         .oc_blocks = oc_blocks,
                                         .oc_last = filters_of_last(s, block),
                                         .kh = s.kh,
                                         .kw = s.kw,
                                         .stride_h = s.stride_h,
                                         .stride_w = s.stride_w,
                                         .dilation_h = s.dilation_h,
                                         .dilation_w = s.dilation_w,
                                         .activation = s.activation,
                                         .alpha = s.alpha});
    }
}

void Plan::run_flat(const float* x, float* y, const float* residual, int begin, int end) const {
    const Shape& s = shape_;
    const std::int64_t block = row_->block;
    const std::int64_t pixel = planar_x_ ? 1 : block;
    const std::int64_t pixels = std::int64_t(s.oh) * s.ow;
    const std::int64_t oc_blocks = ceil_div(s.oc / s.groups, block);
    const std::int64_t planes = planar_x_ ? s.ic / s.groups : ceil_div(s.ic / s.groups, block);
    const std::int64_t first = begin * flat_pixels_;
    const std::int64_t count = std::min(end * flat_pixels_, pixels) - first;
    for (int group = 0; group < s.groups; ++group) {
        const std::int64_t y_at = (group * oc_blocks * pixels + first) * block;
        run_group(group, x + (group * planes * pixels + first) * pixel, pixels * (planar_x_ ? block : pixel), y + y_at,
                  residual != nullptr ? residual + y_at : nullptr, pixels * block, count);
    }
}

void Plan::run_pixels(const float* x, std::int64_t x_block, float* y, const float* residual, std::int64_t y_block,
                      std::int64_t pixels) const {
    run_group(0, x, x_block, y, residual, y_block, pixels);
}

void Plan::run_group(int group, const float* x, std::int64_t x_block, float* y, const float* residual, std::int64_t y_block,
                     std::int64_t pixels) const {
    const Shape& s = shape_;
    const std::int64_t block = row_->block;
    const std::int64_t pixel = planar_x_ ? 1 : block;
    const int ic = s.ic / s.groups;
    const std::int64_t oc_blocks = ceil_div(s.oc / s.groups, block);
    for (std::int64_t first = 0; first < pixels; first += flat_pixels) {
        row_->function.direct(Conv2dLeaf{.x = x + first * pixel,
                                         .w = weights_.data() + group * oc_blocks * block * ic,
                                         .bias = bias_.data() + group * oc_blocks * block,
                                         .residual = residual != nullptr ? residual + first * block : nullptr,
                                         .y = y + first * block,
                                         .pooled = nullptr,
                                         .x_row = 0,
                                         .x_block = x_block,
                                         .channel_step = planar_x_ ? x_block / block : 1,
                                         .pixel_step = pixel,
                                         .y_row = 0,
                                         .y_block = y_block,
                                         .pooled_row = 0,
                                         .pooled_block = 0,
                                         .rows = 1,
                                         .ow = static_cast<int>(std::min(flat_pixels, pixels - first)),
                                         .ic = ic,
                                         .oc_blocks = static_cast<int>(oc_blocks),
                                         .oc_last = filters_of_last(s, static_cast<int>(block)),
                                         .kh = 1,
                                         .kw = 1,
                                         .stride_h = 1,
                                         .stride_w = 1,
                                         .dilation_h = 1,
                                         .dilation_w = 1,
                                         .activation = s.activation,
                                         .alpha = s.alpha});
    }
}

} // namespace conv2d
} // namespace fk
