#include "ops/local_response_norm/local_response_norm.hpp"

#include <cmath>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const LocalResponseNormLeaf&);                                                                                 \
    }
#include "ops/local_response_norm/kernels.inc"
#undef FK_KERNEL

namespace local_response_norm {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/local_response_norm/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("local_response_norm", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/local_response_norm/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("local_response_norm", device_rows);

// Pixels of one piece of work.
constexpr std::int64_t piece = 64;

// The channels, what the window reaches beyond them, and one vector past each end of what is read or written.
std::int64_t line_floats(const Shape& s) { return std::int64_t(s.c) + s.size + 32; }
} // namespace

Shape infer(const Params& p) {
    const auto& [n, c, ih, iw] = p.x;
    require_values(p.x);
    require(p.size >= 1 && p.size <= 65536, "size must be from 1 to 65536, is ", p.size);
    require(std::isfinite(p.alpha) && p.alpha >= 0, "alpha must be finite and not negative, is ", p.alpha);
    require(std::isfinite(p.beta) && p.beta >= 0, "beta must be finite and not negative, is ", p.beta);
    require(std::isfinite(p.k) && static_cast<float>(p.k) > 0, "k must be finite and positive, is ", p.k);
    return {.n = checked_int(n, "batch"),
            .c = checked_int(c, "channels"),
            .ih = checked_int(ih, "input height"),
            .iw = checked_int(iw, "input width"),
            .size = static_cast<int>(p.size),
            .alpha = static_cast<float>(p.alpha),
            .beta = static_cast<float>(p.beta),
            .k = static_cast<float>(p.k)};
}

Cost cost(const Shape& s) {
    const double values = double(s.n) * s.c * s.ih * s.iw;
    // Square, sum of the window, multiply-add, product; the power counted as one.
    return {.flops = values * (s.size + 5), .bytes_read = 4 * values, .bytes_written = 4 * values};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("local_response_norm", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads, int block)
    : shape_(shape), row_(&choose_row("local_response_norm", rows, shape, block)),
      threads_(threads_for(static_cast<std::int64_t>(cost(shape).flops), flops_worth_a_thread, threads)) {
    booking_.book(4 * line_floats(shape));
}

void Plan::run(const float* x, float* y, int images, Scratch& scratch) const {
    const Shape& s = shape_;
    const int block = row_->block;
    const std::int64_t pixels = std::int64_t(s.ih) * s.iw;
    const std::int64_t image = round_up(s.c, block) * pixels;
    const std::int64_t pieces = ceil_div(pixels, piece);
    parallel_for(static_cast<int>(images * pieces), threads_, [&](int task, int slot) {
        const std::int64_t first = task % pieces * piece;
        const std::int64_t at = task / pieces * image + first * block;
        row_->function(LocalResponseNormLeaf{.x = x + at,
                                             .y = y + at,
                                             .line = scratch.slot<float>(slot),
                                             .line_floats = line_floats(s),
                                             .plane = pixels * block,
                                             .pixels = std::min(piece, pixels - first),
                                             .channels = s.c,
                                             .before = s.size / 2,
                                             .after = (s.size - 1) / 2,
                                             .scale = s.alpha / static_cast<float>(s.size),
                                             .beta = s.beta,
                                             .k = s.k});
    });
}

} // namespace local_response_norm
} // namespace fk
