#include "ops/batch_norm/batch_norm.hpp"

#include <cmath>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const BatchNormLeaf&);                                                                                         \
    }
#include "ops/batch_norm/kernels.inc"
#undef FK_KERNEL

namespace batch_norm {

namespace {
bool one_pixel(const Shape& s) { return s.ih == 1 && s.iw == 1; }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/batch_norm/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("batch_norm", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/batch_norm/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("batch_norm", device_rows);
} // namespace

Shape infer(const Params& p) {
    const auto& [n, c, ih, iw] = p.x;
    require_values(p.x);
    constexpr std::array names{"gamma", "beta", "mean", "variance"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        require(p.statistics[i] == c, names[i], " has ", p.statistics[i], " values, expected one for each of the ", c,
                " channels");
    }
    require(std::isfinite(p.epsilon) && p.epsilon >= 0, "epsilon must be finite and not negative, is ", p.epsilon);
    return {.n = checked_int(n, "batch"),
            .c = checked_int(c, "channels"),
            .ih = checked_int(ih, "input height"),
            .iw = checked_int(iw, "input width"),
            .epsilon = static_cast<float>(p.epsilon),
            .activation = p.activation.kind,
            .alpha = p.activation.alpha};
}

double deviation(const float* variance, std::int64_t c, double epsilon) {
    const double spread = double(variance[c]) + epsilon;
    require(!(spread <= 0), "variance[", c, "] + epsilon = ", variance[c], " + ", epsilon, " must be positive");
    return std::sqrt(spread);
}

Cost cost(const Shape& s) {
    const double values = double(s.n) * s.c * s.ih * s.iw;
    return {.flops = 2 * values, .bytes_read = 4 * (values + 2.0 * s.c), .bytes_written = 4 * values};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("batch_norm", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const float* gamma, const float* beta, const float* mean, const float* variance, int threads,
           int block)
    : shape_(shape), row_(&choose_row("batch_norm", rows, shape, block)),
      threads_(threads_for(static_cast<std::int64_t>(2 * cost(shape).bytes_written), bytes_worth_a_thread, threads)),
      scale_(round_up(shape.c, row_->block)), shift_(round_up(shape.c, row_->block)) {
    for (int c = 0; c < shape.c; ++c) {
        const double scale = gamma[c] / deviation(variance, c, shape.epsilon);
        scale_[c] = static_cast<float>(scale);
        shift_[c] = static_cast<float>(beta[c] - mean[c] * scale);
    }
}

void Plan::run(const float* x, float* y, int images, Scratch& /*scratch*/) const {
    const Shape& s = shape_;
    const int channels = row_->block == 1 ? s.c : row_->block; // of a task
    const int tasks = static_cast<int>(ceil_div(s.c, channels));
    const std::int64_t pixels = std::int64_t(s.ih) * s.iw;
    parallel_for(images * tasks, threads_, [&](int task, int) {
        const int first = task % tasks * channels;
        row_->function(BatchNormLeaf{.x = x + task * pixels * channels,
                                     .scale = scale_.data() + first,
                                     .shift = shift_.data() + first,
                                     .y = y + task * pixels * channels,
                                     .channels = channels,
                                     .pixels = pixels,
                                     .activation = s.activation,
                                     .alpha = s.alpha});
    });
}

} // namespace batch_norm
} // namespace fk
