#include "ops/warp/warp.hpp"

#include <algorithm>
#include <cmath>

#include "base/threads.hpp"
#include "ops/dims.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const WarpLeaf&);                                                                                              \
    }
#include "ops/warp/kernels.inc"
#undef FK_KERNEL

namespace warp {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/warp/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("warp", rows);

constexpr int most_samples = 32; // along one axis
constexpr std::int64_t outputs_per_task = 8192;
// Bounds under which every coordinate fits an int32 with room for a run's steps.
constexpr double largest_scale = 1 << 15;
constexpr double far_outside = 1 << 29;

int samples_along(double dx, double dy) {
    // A scale of 1 that is a rounding error above 1 needs no second sample.
    return std::clamp(static_cast<int>(std::ceil(std::hypot(dx, dy) - 1e-6)), 1, most_samples);
}

WarpOrigin origin_at(double x, double y) {
    const double inside_x = std::clamp(x, -far_outside, far_outside);
    const double inside_y = std::clamp(y, -far_outside, far_outside);
    const double column = std::floor(inside_x);
    const double row = std::floor(inside_y);
    return {.column = static_cast<std::int32_t>(column),
            .row = static_cast<std::int32_t>(row),
            .x = static_cast<float>(inside_x - column),
            .y = static_cast<float>(inside_y - row)};
}
} // namespace

Border border_from_name(const std::string& name) {
    require(name == "constant" || name == "replicate", "unknown border '", name, "'; known: constant, replicate");
    return name == "constant" ? Border::constant : Border::replicate;
}

Shape infer(const Params& p) {
    const auto& [height, width, channels] = p.x;
    require_picture(p.x, p.height, p.width);
    require(p.is_float ? std::isfinite(static_cast<float>(p.fill)) : p.fill >= 0 && p.fill <= 255, "fill must be ",
            p.is_float ? "finite" : "from 0 to 255", ", is ", p.fill);
    for (std::int64_t i = 0; i < p.count * 6; ++i) {
        require(std::isfinite(p.matrices[i]), "matrix ", i / 6, " has the entry ", p.matrices[i], " in row ", i % 6 / 3,
                ", column ", i % 3);
        require(i % 3 == 2 || std::abs(p.matrices[i]) <= largest_scale, "matrix ", i / 6, " has the entry ", p.matrices[i],
                " in row ", i % 6 / 3, ", column ", i % 3, ": scales go up to ", largest_scale);
    }
    return {.ih = static_cast<int>(height),
            .iw = static_cast<int>(width),
            .channels = static_cast<int>(channels),
            .count = p.count,
            .oh = static_cast<int>(p.height),
            .ow = static_cast<int>(p.width),
            .border = p.border,
            .fill = static_cast<float>(p.fill),
            .antialias = p.antialias,
            .is_float = p.is_float};
}

Cost cost(const Shape& s) {
    const double outputs = double(s.count) * s.oh * s.ow * s.channels;
    const double size = s.is_float ? 4 : 1;
    return {.flops = 15 * outputs,
            .bytes_read = size * std::min(4 * outputs, double(s.ih) * s.iw * s.channels),
            .bytes_written = size * outputs};
}

Plan::Plan(const Shape& shape, int threads)
    : shape_(shape), row_(&choose_row("warp", rows, shape)), threads_(threads),
      rows_per_task_(static_cast<int>(std::clamp<std::int64_t>(outputs_per_task / shape.ow, 1, shape.oh))) {
    booking_.book((shape.antialias ? most_samples * most_samples : 1) * static_cast<std::int64_t>(sizeof(WarpOrigin)));
}

template <class T> void Plan::run_row(const View<const T>& x, const double* m, int row, T* y, WarpOrigin* origins) const {
    const Shape& s = shape_;
    const int across = s.antialias ? samples_along(m[0], m[3]) : 1;
    const int down = s.antialias ? samples_along(m[1], m[4]) : 1;
    for (int first = 0; first < s.ow; first += warp_outputs) {
        for (int i = 0; i < down; ++i) {
            for (int j = 0; j < across; ++j) {
                const double u = first + (j + 0.5) / across - 0.5;
                const double v = row + (i + 0.5) / down - 0.5;
                origins[i * across + j] = origin_at(m[0] * u + m[1] * v + m[2], m[3] * u + m[4] * v + m[5]);
            }
        }
        for (int c = 0; c < s.channels; ++c) {
            row_->function(WarpLeaf{.x = x.data + c * x.strides[2],
                                    .is_float = s.is_float ? 1 : 0,
                                    .x_row = x.strides[0],
                                    .x_pixel = x.strides[1],
                                    .height = s.ih,
                                    .width = s.iw,
                                    .replicate = s.border == Border::replicate ? 1 : 0,
                                    .fill = s.fill,
                                    .origins = origins,
                                    .samples = across * down,
                                    .step_x = static_cast<float>(m[0]),
                                    .step_y = static_cast<float>(m[3]),
                                    .outputs = std::min<int>(warp_outputs, s.ow - first),
                                    .y = y + std::int64_t(first) * s.channels + c,
                                    .y_step = s.channels});
        }
    }
}

template <class T> void Plan::run(const View<const T>& x, const double* matrices, T* y, Scratch& scratch) const {
    const Shape& s = shape_;
    const std::int64_t bands = ceil_div(s.oh, rows_per_task_);
    const std::int64_t row_elements = std::int64_t(s.ow) * s.channels;
    parallel_for(static_cast<int>(s.count * bands), threads_, [&](int task, int slot) {
        const std::int64_t picture = task / bands;
        const int begin = static_cast<int>(task % bands) * rows_per_task_;
        const int end = std::min(s.oh, begin + rows_per_task_);
        for (int row = begin; row < end; ++row) {
            run_row(x, matrices + picture * 6, row, y + (picture * s.oh + row) * row_elements, scratch.slot<WarpOrigin>(slot));
        }
    });
}

template void Plan::run(const View<const std::uint8_t>& x, const double* matrices, std::uint8_t* y, Scratch& scratch) const;
template void Plan::run(const View<const float>& x, const double* matrices, float* y, Scratch& scratch) const;

} // namespace warp
} // namespace fk
