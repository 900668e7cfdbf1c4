#include "ops/flow_lk/flow_lk.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <numeric>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    int function(const FlowLeaf&, FlowState&);                                                                                   \
    }
#include "ops/flow_lk/kernels.inc"
#undef FK_KERNEL

namespace flow_lk {

using pyramid::Pyramid;
using pyramid::Rect;

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/flow_lk/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("flow_lk", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/flow_lk/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("flow_lk", device_rows);

constexpr std::int64_t points_per_task = 4;
constexpr double window_flops = 40;   // gradients, interpolation, G; a pixel
constexpr double position_flops = 16; // eight multiply-adds a pixel

FlowImage image_of(const pyramid::Level& level) {
    return {.pixels = level.pixels,
            .row = level.row,
            .width = level.shape.width,
            .height = level.shape.height,
            .x0 = level.built.x0,
            .y0 = level.built.y0,
            .x1 = level.built.x1,
            .y1 = level.built.y1,
            .readable = level.readable};
}

// Both pyramids, locked in the order of their addresses: two calls that name them the other way round do not wait for each other.
class Reading {
  public:
    Reading(const Pyramid& a, const Pyramid& b)
        : first_((std::less<>()(&a, &b) ? a : b).mutex()),
          second_(&a == &b ? std::shared_lock<std::shared_mutex>() : std::shared_lock((std::less<>()(&a, &b) ? b : a).mutex())) {}

  private:
    std::shared_lock<std::shared_mutex> first_, second_;
};

// Pixels [lo, hi) of an axis of n, where those beyond the border are read as their mirror images.
void reflect(int& lo, int& hi, int n) {
    const int low = lo, high = hi;
    if (high > n) {
        lo = std::min(lo, 2 * n - 1 - high);
    }
    if (low < 0) {
        hi = std::max(hi, 1 - low);
    }
    lo = std::max(lo, 0);
    hi = std::min(hi, n);
}
} // namespace

struct Plan::Job {
    const Pyramid* from;
    const Pyramid* to;
    const float* points;
    const float* guess;
    const Tracks* tracks;
};

Shape infer(const Params& p) {
    const pyramid::Shape frame = pyramid::infer({.name = "prev", .x = p.from, .is_float = p.from_float});
    const auto pixels = [](bool is_float) { return is_float ? "float32" : "uint8"; };
    require(p.from == p.to, "prev and next must have the same shape, are [", p.from[0], ", ", p.from[1], "] and [", p.to[0], ", ",
            p.to[1], "]");
    if (p.from_float != p.to_float) {
        throw TypeError(
            message("prev and next must have the same dtype, are ", pixels(p.from_float), " and ", pixels(p.to_float)));
    }
    require(p.window >= 3 && p.window <= flow_largest_window, "window must be from 3 to ", int{flow_largest_window}, ", is ",
            p.window);
    require(p.levels >= 0 && p.levels <= pyramid::most_levels, "levels must be from 0 to ", pyramid::most_levels, ", is ",
            p.levels);
    require(p.iterations >= 1 && p.iterations <= 1000, "iterations must be from 1 to 1000, is ", p.iterations);
    require(std::isfinite(p.epsilon) && p.epsilon >= 0, "epsilon must be finite and not below 0, is ", p.epsilon);
    require(std::isfinite(p.min_eigenvalue) && p.min_eigenvalue >= 0, "min_eigenvalue must be finite and not below 0, is ",
            p.min_eigenvalue);
    int levels = 0;
    pyramid::Shape next = pyramid::halved(frame);
    while (levels < p.levels && std::min(next.height, next.width) > p.window) {
        ++levels;
        next = pyramid::halved(next);
    }
    return {.frame = frame,
            .points = checked_int(p.points, "points"),
            .window = static_cast<int>(p.window),
            .levels = levels,
            .iterations = static_cast<int>(p.iterations),
            .epsilon = static_cast<float>(p.epsilon),
            .min_eigenvalue = static_cast<float>(p.min_eigenvalue)};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.points) * (s.levels + 1) * s.window * s.window;
    const double size = s.frame.is_float != 0 ? 4 : 1;
    return {.flops = pixels * (window_flops + 2 * position_flops),
            .bytes_read = 3 * size * pixels,
            .bytes_written = double(s.points) * 17};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("flow_lk", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int slack, int threads)
    : shape_(shape), pyramid_(shape.frame, threads), row_(&choose_row("flow_lk", rows, shape)), slack_(slack), threads_(threads) {
}

// What windows around the points need on each level, the pixels for their gradients included.
std::vector<Rect> Plan::wanted(const float* points) const {
    std::vector<Rect> rects(static_cast<std::size_t>(shape_.levels) + 1);
    pyramid::Shape size = shape_.frame;
    const int reach = shape_.window / 2 + 3 + slack_;
    for (int l = 0; l <= shape_.levels; ++l) {
        for (std::int64_t i = 0; i < shape_.points; ++i) {
            const float x = std::ldexp(points[2 * i], -l), y = std::ldexp(points[2 * i + 1], -l);
            const auto near = [](float v, int n) {
                return v > -float(flow_largest_window) && v < float(n + flow_largest_window);
            };
            if (near(x, size.width) && near(y, size.height)) {
                const int u = flow_floor(x), v = flow_floor(y);
                Rect r{.x0 = u - reach, .y0 = v - reach, .x1 = u + reach + 1, .y1 = v + reach + 1};
                reflect(r.x0, r.x1, size.width);
                reflect(r.y0, r.y1, size.height);
                rects[static_cast<std::size_t>(l)] = pyramid::join(rects[static_cast<std::size_t>(l)], r);
            }
        }
        size = pyramid::halved(size);
    }
    return rects;
}

// False where more of the pyramids is needed.
bool Plan::point(const Job& job, std::int64_t i, float* scratch) const {
    const float* p = job.points + 2 * i;
    const float* guess = job.guess == nullptr ? p : job.guess + 2 * i;
    const float scale = std::ldexp(1.0F, -shape_.levels);
    FlowState state{.x = guess[0] * scale, .y = guess[1] * scale, .residual = 0, .iterations = 0};
    int outcome = flow_outside;
    for (int l = shape_.levels; l >= 0; --l) {
        outcome = row_->function(FlowLeaf{.from = image_of(job.from->level(l)),
                                          .to = image_of(job.to->level(l)),
                                          .is_float = shape_.frame.is_float,
                                          .window = shape_.window,
                                          .iterations = shape_.iterations,
                                          .epsilon = shape_.epsilon,
                                          .min_eigenvalue = shape_.min_eigenvalue,
                                          .measure = l == 0 ? 1 : 0,
                                          .x = std::ldexp(p[0], -l),
                                          .y = std::ldexp(p[1], -l),
                                          .scratch = scratch},
                                 state);
        if (outcome == flow_unbuilt) {
            return false;
        }
        if (l > 0) {
            state.x *= 2;
            state.y *= 2;
        }
    }
    const bool found = outcome == flow_tracked;
    job.tracks->points[2 * i] = state.x;
    job.tracks->points[2 * i + 1] = state.y;
    job.tracks->status[i] = found;
    job.tracks->residual[i] = found ? state.residual : std::numeric_limits<float>::quiet_NaN();
    job.tracks->iterations[i] = state.iterations;
    return true;
}

std::vector<std::int64_t> Plan::pass(const Job& job, const std::vector<std::int64_t>& which, Scratch& scratch) const {
    const Reading reading(*job.from, *job.to);
    std::vector<unsigned char> missing(which.size());
    const auto count = static_cast<std::int64_t>(which.size());
    parallel_for(static_cast<int>(ceil_div(count, points_per_task)), threads_, [&](int task, int slot) {
        const std::int64_t end = std::min(count, (task + 1) * points_per_task);
        for (std::int64_t k = task * points_per_task; k < end; ++k) {
            const auto at = static_cast<std::size_t>(k);
            missing[at] = point(job, which[at], scratch.slot<float>(slot)) ? 0 : 1;
        }
    });
    std::vector<std::int64_t> again;
    for (std::size_t k = 0; k < which.size(); ++k) {
        if (missing[k] != 0) {
            again.push_back(which[k]);
        }
    }
    return again;
}

void Plan::run(Pyramid& from, Pyramid& to, const float* points, const float* guess, const Tracks& tracks) const {
    if (shape_.points == 0) {
        return;
    }
    const KeepAwake awake(threads_);
    ScratchBooking booking;
    booking.book(flow_scratch(shape_.window) * static_cast<std::int64_t>(sizeof(float)));
    Scratch scratch(booking, threads_);
    pyramid_.build(from, wanted(points));
    pyramid_.build(to, wanted(guess == nullptr ? points : guess));
    const Job job{.from = &from, .to = &to, .points = points, .guess = guess, .tracks = &tracks};
    std::vector<std::int64_t> which(static_cast<std::size_t>(shape_.points));
    std::iota(which.begin(), which.end(), 0);
    which = pass(job, which, scratch);
    if (!which.empty()) {
        // Some moved further than expected: with whole pyramids nothing is missing.
        const std::vector<Rect> whole(static_cast<std::size_t>(shape_.levels) + 1,
                                      Rect{.x0 = 0, .y0 = 0, .x1 = shape_.frame.width, .y1 = shape_.frame.height});
        pyramid_.build(from, whole);
        pyramid_.build(to, whole);
        pass(job, which, scratch);
    }
}

} // namespace flow_lk
} // namespace fk
