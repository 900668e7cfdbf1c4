#include "ops/separable/separable.hpp"

#include "base/threads.hpp"
#include "ops/split.hpp"

namespace fk::separable {

namespace {

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/separable/kernels.inc"
#undef FK_DEVICE_KERNEL
});
const Registration device_registration = register_device_rows("separable", device_rows);

// What a band may take of the second-level cache, beside the weights that pass through it.
constexpr std::int64_t band_bytes = 256 * 1024;

conv2d::Shape checked(const depthwise::Shape& first, const conv2d::Shape& second) {
    require(second.kh == 1 && second.kw == 1 && second.stride_h == 1 && second.stride_w == 1 && second.groups == 1 &&
                second.pad_top == 0 && second.pad_left == 0 && second.oh == second.ih && second.ow == second.iw,
            "the second convolution must be 1 x 1 with stride 1, one group and no padding, is ", second.kh, " x ", second.kw);
    require(first.oc == first.c, "the depthwise convolution must have one filter a channel, has ", first.oc, " filters for ",
            first.c, " channels");
    require(second.ic == first.oc && second.ih == first.oh && second.iw == first.ow, "the second convolution takes [", second.ic,
            ", ", second.ih, ", ", second.iw, "], the first gives [", first.oc, ", ", first.oh, ", ", first.ow, "]");
    return second;
}

// Each band reads all weights of the second half: it has three tiles of pixels at least, or is a thread's only one.
constexpr std::int64_t fewest_pixels = 42;

int bands_of(const depthwise::Shape& s, int block, int threads) {
    const std::int64_t row = round_up(s.oc, block) * s.ow * 4;
    const std::int64_t rows = std::clamp<std::int64_t>(band_bytes / row, 1, s.oh);
    const std::int64_t most = std::max<std::int64_t>(threads, std::int64_t(s.oh) * s.ow / fewest_pixels);
    const std::int64_t wanted =
        threads > 1 ? ceil_div(std::min<std::int64_t>(std::int64_t(pieces_per_thread) * threads, most), s.n) : 1;
    return static_cast<int>(std::clamp<std::int64_t>(wanted, ceil_div(s.oh, rows), s.oh));
}

} // namespace

Cost cost(const depthwise::Shape& first, const conv2d::Shape& second) {
    const Cost a = depthwise::cost(first);
    const Cost b = conv2d::cost(second);
    const double between = 4.0 * first.n * first.oc * first.oh * first.ow;
    return {.flops = a.flops + b.flops,
            .bytes_read = a.bytes_read + b.bytes_read - between,
            .bytes_written = b.bytes_written,
            .weight_bytes = a.weight_bytes + b.weight_bytes};
}

Shape device_shape(const depthwise::Shape& first, const conv2d::Shape& second) {
    return {.first = first, .second = checked(first, second)};
}

Cost device_cost(const Shape& shape) { return cost(shape.first, shape.second); }

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("separable", device_rows, shape, target);
}

bool rows_share_evenly(const depthwise::Shape& first, int threads) {
    const std::int64_t rows = std::int64_t(first.n) * first.oh;
    return 20 * ceil_div(rows, threads) * threads <= 21 * rows; // the longest share is 5 % above the mean at most
}

Plan::Plan(const depthwise::Shape& first, const Filters& first_filters, const conv2d::Shape& second,
           const Filters& second_filters, int threads)
    : shape_(first), channels_(second.oc),
      threads_(threads_for(static_cast<std::int64_t>(cost(first, second).flops), flops_worth_a_thread, threads)),
      second_(checked(first, second), second_filters.w, second_filters.bias, false, threads_),
      first_(first, first_filters.w, first_filters.bias, threads_, second_.block()), bands_(bands_of(first, block(), threads_)) {
    booking_.book(round_up(first.oc, block()) * ceil_div(first.oh, bands_) * first.ow * 4);
}

void Plan::run(const float* x, float* y, const float* residual, int images, Scratch& scratch) const {
    const depthwise::Shape& s = shape_;
    const std::int64_t block = second_.block();
    const std::int64_t x_image = round_up(s.c, block) * s.ih * s.iw;
    const std::int64_t y_block = std::int64_t(s.oh) * s.ow * block;
    const std::int64_t y_image = ceil_div(channels_, block) * y_block;
    parallel_bands(images, s.oh, bands_, threads_, [&](std::int64_t image, int begin, int end, int slot) {
        float* between = scratch.slot<float>(slot);
        const std::int64_t pixels = std::int64_t(end - begin) * s.ow;
        first_.run_rows(x + image * x_image, begin, end, between, pixels * block);
        const std::int64_t at = image * y_image + std::int64_t(begin) * s.ow * block;
        second_.run_pixels(between, pixels * block, y + at, residual != nullptr ? residual + at : nullptr, y_block, pixels);
    });
}

} // namespace fk::separable
