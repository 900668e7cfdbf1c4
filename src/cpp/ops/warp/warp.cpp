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

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/warp/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("warp", device_rows);

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

// Samples of an output, evenly over its square.
struct Grid {
    int across, down;
};
Grid grid_of(const Shape& s, const double* m) {
    return s.antialias != 0 ? Grid{samples_along(m[0], m[3]), samples_along(m[1], m[4])} : Grid{1, 1};
}

// The origins of the run of outputs that begins at `first` of a row.
void run_origins(const double* m, const Grid& grid, int first, int row, WarpOrigin* to) {
    for (int i = 0; i < grid.down; ++i) {
        for (int j = 0; j < grid.across; ++j) {
            const double u = first + (j + 0.5) / grid.across - 0.5;
            const double v = row + (i + 0.5) / grid.down - 0.5;
            to[i * grid.across + j] = origin_at(m[0] * u + m[1] * v + m[2], m[3] * u + m[4] * v + m[5]);
        }
    }
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
            .count = checked_int(p.count, "matrices"),
            .oh = static_cast<int>(p.height),
            .ow = static_cast<int>(p.width),
            .border = static_cast<int>(p.border),
            .fill = static_cast<float>(p.fill),
            .antialias = p.antialias ? 1 : 0,
            .is_float = p.is_float ? 1 : 0};
}

Cost cost(const Shape& s) {
    const double outputs = double(s.count) * s.oh * s.ow * s.channels;
    const double size = s.is_float != 0 ? 4 : 1;
    return {.flops = 15 * outputs,
            .bytes_read = size * std::min(4 * outputs, double(s.ih) * s.iw * s.channels),
            .bytes_written = size * outputs};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("warp", device_rows, shape, target);
}

std::vector<fk_warp_view> views(const Shape& s, const double* matrices, std::int64_t& origins) {
    const std::int64_t runs = ceil_div(s.ow, warp_outputs);
    std::vector<fk_warp_view> all;
    all.reserve(static_cast<std::size_t>(s.count));
    origins = 0;
    for (const double* m = matrices; m != matrices + 6 * std::int64_t(s.count); m += 6) {
        const Grid grid = grid_of(s, m);
        all.push_back({.across = grid.across,
                       .down = grid.down,
                       .first = checked_int(origins, "samples of the outputs"),
                       .step_x = static_cast<float>(m[0]),
                       .step_y = static_cast<float>(m[3])});
        origins += s.oh * runs * grid.across * grid.down;
    }
    checked_int(origins, "samples of the outputs");
    return all;
}

void origins(const Shape& s, const double* matrices, const std::vector<fk_warp_view>& views, WarpOrigin* to) {
    for (const fk_warp_view& view : views) {
        for (int row = 0; row < s.oh; ++row) {
            for (int first = 0; first < s.ow; first += warp_outputs, to += std::int64_t(view.across) * view.down) {
                run_origins(matrices, {.across = view.across, .down = view.down}, first, row, to);
            }
        }
        matrices += 6;
    }
}

Plan::Plan(const Shape& shape, int threads)
    : shape_(shape), row_(&choose_row("warp", rows, shape)), threads_(threads),
      rows_per_task_(static_cast<int>(std::clamp<std::int64_t>(outputs_per_task / shape.ow, 1, shape.oh))) {
    booking_.book((shape.antialias != 0 ? most_samples * most_samples : 1) * static_cast<std::int64_t>(sizeof(WarpOrigin)));
}

template <class T> void Plan::run_row(const View<const T>& x, const double* m, int row, T* y, WarpOrigin* origins) const {
    const Shape& s = shape_;
    const Grid grid = grid_of(s, m);
    for (int first = 0; first < s.ow; first += warp_outputs) {
        run_origins(m, grid, first, row, origins);
        for (int c = 0; c < s.channels; ++c) {
            row_->function(WarpLeaf{.x = x.data + c * x.strides[2],
                                    .is_float = s.is_float,
                                    .x_row = x.strides[0],
                                    .x_pixel = x.strides[1],
                                    .height = s.ih,
                                    .width = s.iw,
                                    .replicate = s.border == FK_WARP_REPLICATE ? 1 : 0,
                                    .fill = s.fill,
                                    .origins = origins,
                                    .samples = grid.across * grid.down,
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
