#include "ops/conv2d/conv2d.hpp"

#include <algorithm>
#include <limits>

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
// The ring of sums that are pooled stays in the second-level cache beside them.
constexpr std::int64_t most_ring_bytes = 256 * 1024;
// Bytes of weights that several bands of a thread should not pass through its second-level cache.
constexpr std::int64_t many_weights = 256 * 1024;

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
    // What windows reach may be copied with its zeros: places along an axis are int, bytes are counted in 64 bits.
    const double height = double(s.oh - 1) * s.stride_h + double(s.kh - 1) * s.dilation_h + 1;
    const double width = double(s.ow - 1) * s.stride_w + double(s.kw - 1) * s.dilation_w + 1;
    require(std::max(height, width) <= std::numeric_limits<int>::max() && height * width * double(ic) < 0x1p56,
            "windows reach over ", std::int64_t(height), " x ", std::int64_t(width), " places of ", ic,
            " channels, more than can be addressed");
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

bool Plan::pool(const pool::Shape& p) {
    const bool pairs = p.kh == 2 && p.kw == 2 && p.stride_h == 2 && p.stride_w == 2 && p.oh == p.ih / 2 && p.ow == p.iw / 2;
    const std::int64_t ring = round_up(shape_.oc / shape_.groups, row_->block) * p.kh * p.iw;
    const bool rows = p.stride_h <= p.kh && p.kh <= most_pooled_rows && ring * 4 <= most_ring_bytes;
    if (row_->block == 1 || p.kind != pool_max || !(winograd_ ? pairs : rows)) {
        return false;
    }
    pool_ = p;
    if (!winograd_) {
        ring_floats_ = ring;
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
    flat_ = !padded_ && s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.oh == s.ih && s.ow == s.iw && !pool_;
    const std::int64_t pixels = std::int64_t(s.oh) * s.ow;
    // As many units for every thread, one pixel more at most.
    flat_pixels_ = ceil_div(pixels, round_up(ceil_div(pixels, most_flat_pixels), s.n < threads_ ? threads_ : 1));
    const std::int64_t units = flat_ ? ceil_div(pixels, flat_pixels_) : y_height();
    // Each band reads all weights: where they are many, a thread gets one band. So it does where windows of the pool that share
    // rows would have them summed twice.
    const bool many = weights_.size() * 4 > many_weights || (pool_ && pool_->kh > pool_->stride_h);
    const int pieces = many ? 1 : pieces_per_thread;
    const std::int64_t wanted = threads_ > 1 ? ceil_div(std::int64_t(threads_) * pieces, s.n) : 1;
    std::int64_t rows_per_band = std::max<std::int64_t>(1, ceil_div(units, std::max<std::int64_t>(1, wanted)));
    if (!flat_) {
        const std::int64_t channels = planar_x_ ? s.ic / s.groups : round_up(s.ic / s.groups, row_->block);
        const std::int64_t row_bytes = width * channels * 4;
        const std::int64_t fitting = (band_bytes / std::max<std::int64_t>(1, row_bytes) - reach_h) / s.stride_h + 1;
        rows_at_once_ = static_cast<int>(std::clamp<std::int64_t>(fitting, 1, pool_ ? s.oh : rows_per_band));
        rows_per_band = pool_ ? rows_per_band : rows_at_once_;
        padded_floats_ = padded_ ? round_up((std::int64_t(rows_at_once_ - 1) * s.stride_h + reach_h) * row_bytes / 4, 16) : 0;
        booking_.book(4 * (padded_floats_ + ring_floats_));
    }
    bands_ = static_cast<int>(ceil_div(units, rows_per_band));
}

} // namespace conv2d
} // namespace fk
