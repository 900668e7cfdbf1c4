#include "ops/flow_refine/flow_refine.hpp"

#include <algorithm>
#include <cmath>

#include "base/threads.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    const RefineKernels* function();                                                                                             \
    }
#include "ops/flow_refine/kernels.inc"
#undef FK_KERNEL

namespace flow_refine {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/flow_refine/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("flow_refine", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/flow_refine/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("flow_refine", device_rows);

// Of psi, pixels and shares of a grey level; and of the normalisation, grey levels a pixel. Kroeger et al. take 0.001 and 0.1; a
// larger epsilon lets the few sweeps of a step get further.
constexpr float epsilon = 0.01F;
constexpr float zeta = 0.1F;
// A weight that keeps a pixel where it was, so that no matrix is singular: a thousandth of what smoothness weighs where the
// motion changes by twenty pixels from one to the next.
constexpr float hold = 1e-3F;

constexpr int arrays_of_parity = 9;                       // of RefineRow
constexpr int array_u = 0, array_v = 1, array_across = 7; // among them
constexpr std::int64_t pad = 16;                          // floats before each half row; the places just before it stay 0
constexpr double system_flops = 150;
constexpr double sweep_flops = 21;
constexpr double warp_flops = 20;
constexpr std::int64_t least_rows = 16; // of a band, for each sweep: half of its halo, which is computed twice

void require_weight(const char* name, double value, bool zero) {
    require(std::isfinite(value) && (value > 0 || (zero && value == 0)) && value <= 1e6, name, " must be ",
            zero ? "from 0" : "above 0", " and at most 1e6, is ", value);
}

// The window of rows that the sweeps of a band run through.
class Window {
  public:
    Window(float* memory, int count, std::int64_t half) : memory_(memory), count_(count), half_(half) {}
    [[nodiscard]] float* half(int y, int array, int parity) const {
        return memory_ + ((y % count_ * arrays_of_parity + array) * 2 + parity) * half_ + pad;
    }
    [[nodiscard]] RefineRow row(int y) const {
        RefineRow r{};
        int i = 0;
        for (float** array : {r.u, r.v, r.m11, r.m12, r.m22, r.b1, r.b2, r.across, r.down}) {
            array[0] = half(y, i, 0);
            array[1] = half(y, i, 1);
            ++i;
        }
        return r;
    }

  private:
    float* memory_;
    int count_;
    std::int64_t half_;
};

int window_rows(int sweeps) { return 2 * sweeps + 3; }
} // namespace

Shape infer(const Params& p) {
    require(p.sweeps >= 1 && p.sweeps <= most_sweeps, "sweeps must be from 1 to ", most_sweeps, ", is ", p.sweeps);
    require_weight("alpha", p.alpha, false);
    require_weight("delta", p.delta, true);
    require_weight("gamma", p.gamma, true);
    require(p.omega > 0 && p.omega < 2, "omega must be above 0 and below 2, is ", p.omega);
    return {.height = static_cast<int>(p.x[0]),
            .width = static_cast<int>(p.x[1]),
            .sweeps = static_cast<int>(p.sweeps),
            .alpha = static_cast<float>(p.alpha),
            .delta = static_cast<float>(p.delta),
            .gamma = static_cast<float>(p.gamma),
            .omega = static_cast<float>(p.omega)};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.height) * s.width;
    return {.flops = pixels * (warp_flops + system_flops + sweep_flops * s.sweeps),
            .bytes_read = pixels * 4 * (4 + 4),
            .bytes_written = pixels * 4 * (2 + 2)};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("flow_refine", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads)
    : shape_(shape), row_(&choose_row("flow_refine", rows, shape)), threads_(threads),
      half_(pad + round_up(ceil_div(shape.width, 2), 16) + 2 * pad), line_(round_up(shape.width, 16) + refine_right) {
    // The window, two rows of smoothness, and a half row of zeros.
    const std::int64_t floats = window_rows(shape.sweeps) * 2 * arrays_of_parity * half_ + 2 * line_ + half_;
    booking_.book(floats * static_cast<std::int64_t>(sizeof(float)));
}

void Plan::sweep_band(const Step& step, int begin, int end, float* memory) const {
    const RefineKernels& kernels = *row_->function();
    const int height = shape_.height, width = shape_.width, steps = 2 * shape_.sweeps;
    // What is wrong at an end that is no border moves on by a row with each half of a sweep.
    const int first = std::max(0, begin - steps), last = std::min(height, end + steps);
    const Window window(memory, window_rows(shape_.sweeps), half_);
    float* smoothness = memory + window_rows(shape_.sweeps) * 2 * arrays_of_parity * half_;
    float* zeros = smoothness + 2 * line_;
    std::fill_n(zeros, half_, 0.0F);
    for (int i = 0; i < window_rows(shape_.sweeps); ++i) {
        for (const int array : {array_u, array_v, array_across}) {
            *(window.half(i, array, 1) - 1) = 0; // what stands left of the picture has no weight, and is finite
        }
    }
    const auto line = [&](const float* plane, int y) { return plane + std::clamp(y, 0, height - 1) * step.row; };
    const auto smooth = [&](int y) {
        kernels.smooth({.u = line(step.flow.u, y),
                        .v = line(step.flow.v, y),
                        .below_u = line(step.flow.u, y + 1),
                        .below_v = line(step.flow.v, y + 1),
                        .width = width,
                        .half_alpha = 0.5F * shape_.alpha,
                        .epsilon2 = epsilon * epsilon,
                        .smoothness = smoothness + (y & 1) * line_});
    };
    const auto system = [&](int y) {
        const RefineRow above = window.row(y == first ? y : y - 1);
        RefineSystem leaf{.mean = {},
                          .difference = {},
                          .u = line(step.flow.u, y),
                          .v = line(step.flow.v, y),
                          .smoothness = smoothness + (y & 1) * line_,
                          .smoothness_below = smoothness + ((y + 1) & 1) * line_,
                          .down_above = {y == first ? zeros : above.down[0], y == first ? zeros : above.down[1]},
                          .width = width,
                          .last_row = y == height - 1 ? 1 : 0,
                          .gamma = shape_.gamma,
                          .delta = shape_.delta,
                          .epsilon2 = epsilon * epsilon,
                          .zeta2 = zeta * zeta,
                          .hold = hold,
                          .omega = shape_.omega,
                          .to = window.row(y)};
        for (int i = -2; i <= 2; ++i) {
            leaf.mean[i + 2] = line(step.mean, y + i);
        }
        for (int i = -1; i <= 1; ++i) {
            leaf.difference[i + 1] = line(step.difference, y + i);
        }
        kernels.system(leaf);
    };
    const auto relax = [&](int y, int half_sweep) {
        const int parity = (y + half_sweep) & 1;
        const RefineRow here = window.row(y), above = window.row(y == first ? y : y - 1);
        const RefineRow below = window.row(y == last - 1 ? y : y + 1);
        kernels.relax({.row = here,
                       .above_u = above.u[parity],
                       .above_v = above.v[parity],
                       .below_u = below.u[parity],
                       .below_v = below.v[parity],
                       .down_above = y == first ? zeros : above.down[parity],
                       .parity = parity,
                       .count = (width + 1 - parity) / 2,
                       .omega = shape_.omega});
    };
    smooth(first);
    for (int y = first; y < last + steps; ++y) {
        if (y < last) {
            smooth(std::min(y + 1, height - 1));
            system(y);
        }
        for (int k = 0; k < steps; ++k) {
            if (const int at = y - 1 - k; at >= first && at < last) {
                relax(at, k);
            }
        }
        if (const int done = y - steps; done >= begin && done < end) {
            kernels.merge({.row = window.row(done),
                           .u = step.result.u + done * step.row,
                           .v = step.result.v + done * step.row,
                           .width = width});
        }
    }
}

void Plan::run(const Step& step, Scratch& scratch) const {
    const int height = shape_.height, width = shape_.width;
    const std::int64_t work = std::int64_t(height) * width;
    const int threads = threads_for(work * 40, bytes_worth_a_thread, threads_);
    const RefineKernels& kernels = *row_->function();
    parallel_bands(1, height, bands_for(1, height, threads), threads, [&](std::int64_t, int begin, int end, int) {
        for (int y = begin; y < end; ++y) {
            kernels.warp({.from = step.from + y * step.frame_row,
                          .to = step.to,
                          .to_row = step.frame_row,
                          .u = step.flow.u + y * step.row,
                          .v = step.flow.v + y * step.row,
                          .y = y,
                          .width = width,
                          .height = height,
                          .mean = step.mean + y * step.row,
                          .difference = step.difference + y * step.row});
        }
    });
    // One band for each thread: every further one computes its halo twice.
    const int bands = static_cast<int>(std::clamp<std::int64_t>(height / (least_rows * shape_.sweeps / 4 + 1), 1, threads));
    parallel_bands(1, height, bands, threads,
                   [&](std::int64_t, int begin, int end, int slot) { sweep_band(step, begin, end, scratch.slot<float>(slot)); });
}

} // namespace flow_refine
} // namespace fk
