#include "ops/flow_hs/flow_hs.hpp"

#include <algorithm>
#include <cmath>

#include "base/tensor.hpp"
#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    const HsKernels* function();                                                                                                 \
    }
#include "ops/flow_hs/kernels.inc"
#undef FK_KERNEL

namespace flow_hs {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/flow_hs/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("flow_hs", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/flow_hs/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("flow_hs", device_rows);

constexpr std::int64_t largest_side = 1 << 20;
constexpr double step_flops = 26;
constexpr double derive_flops = 35;

} // namespace

Shape infer(const Params& p) {
    require_frame_pair(p, largest_side);
    require(std::isfinite(p.alpha) && p.alpha > 0 && p.alpha <= 1e6, "alpha must be above 0 and at most 1e6, is ", p.alpha);
    require(p.iterations >= 0 && p.iterations <= 1'000'000, "iterations must be from 0 to 1000000, is ", p.iterations);
    require(std::isfinite(p.white) && p.white > 0, "white must be finite and above 0, is ", p.white);
    return {.height = static_cast<int>(p.from[0]),
            .width = static_cast<int>(p.from[1]),
            .iterations = static_cast<int>(p.iterations),
            .is_float = p.from_float ? 1 : 0,
            .alpha = static_cast<float>(p.alpha),
            .scale = p.from_float ? static_cast<float>(255 / p.white) : 1.0F};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.height) * s.width;
    return {.flops = pixels * (derive_flops + step_flops * s.iterations),
            .bytes_read = pixels * 2 * (s.is_float != 0 ? 4 : 1),
            .bytes_written = pixels * 8};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("flow_hs", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads)
    : shape_(shape), row_(&choose_row("flow_hs", rows, shape)), threads_(threads),
      line_(hs_border + round_up(shape.width, hs_border) + hs_room) {}

void Plan::derive(const Frame& from, const Frame& to, float* const* gradients, int threads) const {
    const int height = shape_.height;
    parallel_bands(1, height, bands_for(1, height, threads), threads, [&](std::int64_t, int begin, int end, int) {
        for (int y = begin; y < end; ++y) {
            const auto row = [&](const Frame& frame, int at) {
                const std::int64_t start = std::min(at, height - 1) * frame.row * (shape_.is_float != 0 ? 4 : 1);
                return static_cast<const void*>(static_cast<const unsigned char*>(frame.pixels) + start);
            };
            row_->function()->derive({.from = row(from, y),
                                      .from_below = row(from, y + 1),
                                      .to = row(to, y),
                                      .to_below = row(to, y + 1),
                                      .is_float = shape_.is_float,
                                      .scale = shape_.scale,
                                      .alpha2 = shape_.alpha * shape_.alpha,
                                      .width = shape_.width,
                                      .gx = gradients[0] + y * line_,
                                      .gy = gradients[1] + y * line_,
                                      .gt = gradients[2] + y * line_});
        }
    });
}

void Plan::run(const Frame& from, const Frame& to, float* flow) const {
    const KeepAwake awake(threads_);
    const int height = shape_.height, width = shape_.width;
    Tensor<float> memory(7 * height * line_);
    float* planes[7];
    for (int i = 0; i < 7; ++i) {
        planes[i] = memory.data() + i * height * line_ + hs_border;
    }
    const int threads = threads_for(std::int64_t(height) * width * 28, bytes_worth_a_thread, threads_);
    derive(from, to, planes + 4, threads);
    for (int k = 0; k < shape_.iterations; ++k) {
        float* const* now = planes + 2 * (k & 1);
        float* const* then = planes + 2 * (1 - (k & 1));
        parallel_bands(1, height, bands_for(1, height, threads), threads, [&](std::int64_t, int begin, int end, int) {
            for (int y = begin; y < end; ++y) {
                const auto at = [&](const float* plane, int row) { return plane + std::clamp(row, 0, height - 1) * line_; };
                row_->function()->step({.u = {at(now[0], y - 1), at(now[0], y), at(now[0], y + 1)},
                                        .v = {at(now[1], y - 1), at(now[1], y), at(now[1], y + 1)},
                                        .gx = at(planes[4], y),
                                        .gy = at(planes[5], y),
                                        .gt = at(planes[6], y),
                                        .width = width,
                                        .to_u = then[0] + y * line_,
                                        .to_v = then[1] + y * line_});
            }
        });
    }
    float* const* found = planes + 2 * (shape_.iterations & 1);
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            *flow++ = found[0][y * line_ + x];
            *flow++ = found[1][y * line_ + x];
        }
    }
}

} // namespace flow_hs
} // namespace fk
