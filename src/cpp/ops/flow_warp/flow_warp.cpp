#include "ops/flow_warp/flow_warp.hpp"

#include <cmath>

#include "base/threads.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const FlowWarpLeaf&);                                                                                          \
    }
#include "ops/flow_warp/kernels.inc"
#undef FK_KERNEL

namespace flow_warp {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/flow_warp/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("flow_warp", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/flow_warp/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("flow_warp", device_rows);

constexpr std::int64_t largest_side = 1 << 20;
constexpr std::int64_t most_channels = 1 << 10;
constexpr double sample_flops = 15;
} // namespace

Shape infer(const Params& p) {
    const auto& [height, width, channels] = p.x;
    require(height >= 1 && width >= 1 && channels >= 1 && height <= largest_side && width <= largest_side &&
                channels <= most_channels,
            "image must have from 1 to ", largest_side, " rows and columns and from 1 to ", most_channels,
            " channels, its shape is [", height, ", ", width, ", ", channels, "]");
    require(p.flow[0] == height && p.flow[1] == width && p.flow[2] == 2, "flow must have the shape [", height, ", ", width,
            ", 2] as the image, has [", p.flow[0], ", ", p.flow[1], ", ", p.flow[2], "]");
    require(p.is_float ? std::isfinite(static_cast<float>(p.fill)) : p.fill >= 0 && p.fill <= 255, "fill must be ",
            p.is_float ? "finite" : "from 0 to 255", ", is ", p.fill);
    return {.height = static_cast<int>(height),
            .width = static_cast<int>(width),
            .channels = static_cast<int>(channels),
            .replicate = p.replicate ? 1 : 0,
            .is_float = p.is_float ? 1 : 0,
            .fill = static_cast<float>(p.fill)};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.height) * s.width, size = s.is_float != 0 ? 4 : 1;
    return {.flops = sample_flops * pixels * s.channels,
            .bytes_read = pixels * (8 + size * s.channels),
            .bytes_written = size * pixels * s.channels};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("flow_warp", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads) : shape_(shape), row_(&choose_row("flow_warp", rows, shape)), threads_(threads) {}

template <class T> void Plan::run(const View<const T>& x, const float* flow, T* y) const {
    const Shape& s = shape_;
    const std::int64_t row = std::int64_t(s.width) * s.channels;
    const int threads = threads_for(row * s.height * 16, bytes_worth_a_thread, threads_);
    parallel_bands(1, s.height, bands_for(1, s.height, threads), threads, [&](std::int64_t, int begin, int end, int) {
        for (int at = begin; at < end; ++at) {
            row_->function({.x = x.data,
                            .is_float = s.is_float,
                            .x_row = x.strides[0],
                            .x_pixel = x.strides[1],
                            .x_channel = x.strides[2],
                            .height = s.height,
                            .width = s.width,
                            .channels = s.channels,
                            .replicate = s.replicate,
                            .fill = s.fill,
                            .flow = flow + std::int64_t(at) * s.width * 2,
                            .row = at,
                            .y = y + at * row});
        }
    });
}

template void Plan::run(const View<const float>&, const float*, float*) const;
template void Plan::run(const View<const std::uint8_t>&, const float*, std::uint8_t*) const;

} // namespace flow_warp
} // namespace fk
