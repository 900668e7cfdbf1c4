#include "ops/flow_dis/flow_dis.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    const DisKernels* function();                                                                                                \
    }
#include "ops/flow_dis/kernels.inc"
#undef FK_KERNEL

namespace flow_dis {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/flow_dis/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("flow_dis", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/flow_dis/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("flow_dis", device_rows);

constexpr std::int64_t largest_side = 1 << 15; // places in a plane are 32-bit numbers
constexpr int most_halvings = 10;
constexpr double evaluation_flops = 12; // of a pixel

constexpr std::int64_t row_of(std::int64_t width) { return round_up(dis_border + width + dis_right, 16); }
constexpr std::int64_t plane_of(std::int64_t height, std::int64_t width) { return row_of(width) * (height + 2 * dis_border); }

int halved(int n, int times) {
    for (int i = 0; i < times; ++i) {
        n = (n + 1) / 2;
    }
    return n;
}

// Patches along an axis: the last one reaches its end.
int patches_along(int n, int stride) { return n <= dis_patch ? 1 : static_cast<int>(ceil_div(n - dis_patch, stride)) + 1; }
} // namespace

struct Plan::Level {
    int index, height, width;
    std::int64_t row;
    const float *from, *to; // pixel (0, 0)
};

namespace {
// Memory of a call, kept for the next one: up to 33 MB for 1280 x 720, which the system would hand out cleared, page by page
// (584 x 388, fast: 2.1 ms a call, 1.4 with what is kept). What stands in it matters to nobody, but it is finite: kernels read
// places behind the ends of rows.
struct Buffers {
    std::int64_t floats = 0, bytes_per_thread = 0;
    int threads = 0;
    Tensor<float> planes;
    Scratch scratch;
};

class Kept {
  public:
    std::unique_ptr<Buffers> take(std::int64_t floats, const ScratchBooking& booking, int threads) {
        {
            const std::scoped_lock lock(mutex_);
            if (idle_ != nullptr && idle_->floats >= floats && idle_->bytes_per_thread >= booking.bytes_per_thread &&
                idle_->threads >= threads) {
                return std::move(idle_);
            }
        }
        return std::make_unique<Buffers>(Buffers{.floats = floats,
                                                 .bytes_per_thread = booking.bytes_per_thread,
                                                 .threads = threads,
                                                 .planes = Tensor<float>(floats),
                                                 .scratch = Scratch(booking, threads)});
    }
    void give(std::unique_ptr<Buffers> buffers) {
        if (buffers->floats * 4 + buffers->bytes_per_thread * buffers->threads <= most_kept) {
            const std::scoped_lock lock(mutex_);
            std::swap(idle_, buffers);
        }
    }

  private:
    static constexpr std::int64_t most_kept = std::int64_t{64} << 20;
    std::mutex mutex_;
    std::unique_ptr<Buffers> idle_;
};
Kept kept;
} // namespace

// All planes of a call. Flows are written in turn: what a step reads is what the one before wrote.
struct Plan::Work {
    std::unique_ptr<Buffers> buffers;
    std::vector<float*> from, to; // pixel (0, 0) of each level
    flow_refine::Field flow[2];
    int at = 0; // flow[at] holds what was found last
    float *weights, *difference;

    [[nodiscard]] Scratch& scratch() const { return buffers->scratch; }
    ~Work() {
        if (buffers != nullptr) {
            kept.give(std::move(buffers));
        }
    }
};

Shape infer(const Params& p) {
    require_frame_pair(p, largest_side);
    require(p.finest >= 0 && p.finest <= most_halvings, "finest must be from 0 to ", most_halvings, ", is ", p.finest);
    require(p.stride >= 1 && p.stride <= dis_patch, "stride must be from 1 to ", dis_patch, ", is ", p.stride);
    require(p.iterations >= 0 && p.iterations <= 1000, "iterations must be from 0 to 1000, is ", p.iterations);
    require(p.refinements >= 0 && p.refinements <= 1000, "refinements must be from 0 to 1000, is ", p.refinements);
    require(std::isfinite(p.white) && p.white > 0, "white must be finite and above 0, is ", p.white);
    flow_refine::Params refine = p.refine;
    refine.x = p.from;
    const double longer = double(std::max(p.from[0], p.from[1])), shorter = double(std::min(p.from[0], p.from[1]));
    // As OpenCV: motions of a quarter of the frame are a patch's side on the coarsest level, where a patch still fits.
    const double levels = std::min(std::log2(longer / (4 * dis_patch)) + 0.5, std::log2(shorter / dis_patch));
    const int coarsest = std::clamp(static_cast<int>(levels), 0, most_halvings);
    return {.height = static_cast<int>(p.from[0]),
            .width = static_cast<int>(p.from[1]),
            .is_float = p.from_float ? 1 : 0,
            .coarsest = coarsest,
            .finest = std::min(coarsest, static_cast<int>(p.finest)),
            .stride = static_cast<int>(p.stride),
            .iterations = static_cast<int>(p.iterations),
            .refinements = static_cast<int>(p.refinements),
            .scale = p.from_float ? static_cast<float>(255 / p.white) : 1.0F,
            .refine = flow_refine::infer(refine)};
}

Cost cost(const Shape& s) {
    const double size = s.is_float != 0 ? 4 : 1, pixels = double(s.height) * s.width;
    Cost c{.flops = 0, .bytes_read = 2 * size * pixels, .bytes_written = 8 * pixels};
    for (int l = 1; l <= s.coarsest; ++l) {
        c.flops +=
            2 * 7 * (double(halved(s.height, l)) * halved(s.width, l - 1) + double(halved(s.height, l)) * halved(s.width, l));
    }
    for (int l = s.finest; l <= s.coarsest; ++l) {
        flow_refine::Shape level = s.refine;
        level.height = halved(s.height, l);
        level.width = halved(s.width, l);
        const double patches = double(patches_along(level.height, s.stride)) * patches_along(level.width, s.stride);
        c.flops += patches * dis_patch * dis_patch * evaluation_flops * (s.iterations + 2);
        c.flops += s.refinements * flow_refine::cost(level).flops;
    }
    return c;
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("flow_dis", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads) : shape_(shape), row_(&choose_row("flow_dis", rows, shape)), threads_(threads) {
    for (int l = shape.finest; l <= shape.coarsest && shape.refinements > 0; ++l) {
        flow_refine::Shape level = shape.refine;
        level.height = halved(shape.height, l);
        level.width = halved(shape.width, l);
        refine_.emplace_back(level, threads);
    }
}

Plan::Level Plan::level(int l) const {
    const int width = halved(shape_.width, l);
    return {.index = l, .height = halved(shape_.height, l), .width = width, .row = row_of(width), .from = nullptr, .to = nullptr};
}

void Plan::build(const Frame& from, const Frame& to, Work& work) const {
    const int first = shape_.finest == 0 ? 0 : 1;
    for (int l = first; l <= shape_.coarsest; ++l) {
        const Level here = level(l), above = level(std::max(l - 1, 0));
        const int threads = threads_for(std::int64_t(above.height) * above.width * 4, bytes_worth_a_thread, threads_);
        parallel_bands(
            2, here.height, bands_for(2, here.height, threads), threads, [&](std::int64_t which, int begin, int end, int slot) {
                const Frame& frame = which == 0 ? from : to;
                const std::vector<float*>& planes = which == 0 ? work.from : work.to;
                float* plane = planes[static_cast<std::size_t>(l)];
                const bool from_frame = l <= 1;
                const bool is_float = !from_frame || shape_.is_float != 0;
                const auto source = [&](int y) {
                    return from_frame
                               ? static_cast<const unsigned char*>(frame.pixels) + y * frame.row * (is_float ? 4 : 1)
                               : reinterpret_cast<const unsigned char*>(planes[static_cast<std::size_t>(l - 1)] + y * above.row);
                };
                const float scale = from_frame ? shape_.scale : 1.0F;
                for (int y = begin; y < end; ++y) {
                    float* row = plane + y * here.row;
                    if (l == 0) {
                        row_->function()->convert({source(y), is_float ? 1 : 0, scale, here.width, row});
                    } else {
                        DisHalve leaf{.rows = {},
                                      .is_float = is_float ? 1 : 0,
                                      .scale = scale,
                                      .width = above.width,
                                      .y = row,
                                      .line = work.scratch().slot<float>(slot)};
                        for (int i = 0; i < 5; ++i) {
                            leaf.rows[i] = source(dis_reflect(2 * y + i - 2, above.height));
                        }
                        row_->function()->halve(leaf);
                    }
                    // Copies of the outermost rows.
                    for (int i = 1; i <= dis_border; ++i) {
                        const std::int64_t length = here.width + 2 * dis_border;
                        if (y == 0) {
                            std::copy_n(row - dis_border, length, row - dis_border - i * here.row);
                        }
                        if (y == here.height - 1) {
                            std::copy_n(row - dis_border, length, row - dis_border + i * here.row);
                        }
                    }
                }
            });
    }
}

// From flow[at], the motion on the level above, to flow[1 - at].
void Plan::search(const Level& level, const Level* above, Work& work) const {
    const flow_refine::Field& coarse = work.flow[work.at];
    work.at = 1 - work.at;
    const flow_refine::Field& sums = work.flow[work.at];
    const int down = patches_along(level.height, shape_.stride), across = patches_along(level.width, shape_.stride);
    const int threads = threads_for(std::int64_t(down) * across * dis_patch * dis_patch * 12 * (shape_.iterations + 2),
                                    flops_worth_a_thread, threads_);
    const DisKernels& kernels = *row_->function();
    // Rows of patches that share no row of pixels are searched side by side; the order of each sum is that of the phases.
    const int phases = static_cast<int>(ceil_div(dis_patch, shape_.stride));
    for (int phase = 0; phase < phases; ++phase) {
        const int count = phase < down ? static_cast<int>(ceil_div(down - phase, phases)) : 0;
        parallel_for(count, threads, [&](int task, int) {
            const int y = (task * phases + phase) * shape_.stride;
            if (phase == 0) {
                const int end = task == count - 1 ? level.height + dis_patch : y + phases * shape_.stride;
                for (float* plane : {sums.u, sums.v, work.weights}) {
                    std::fill(plane + y * level.row, plane + end * level.row, 0.0F);
                }
            }
            kernels.search({.from = level.from,
                            .to = level.to,
                            .row = level.row,
                            .width = level.width,
                            .height = level.height,
                            .coarse_u = above == nullptr ? nullptr : coarse.u,
                            .coarse_v = above == nullptr ? nullptr : coarse.v,
                            .coarse_row = above == nullptr ? 0 : above->row,
                            .coarse_width = above == nullptr ? 0 : above->width,
                            .coarse_height = above == nullptr ? 0 : above->height,
                            .y = y,
                            .stride = shape_.stride,
                            .patches = across,
                            .iterations = shape_.iterations,
                            .sum_u = sums.u + y * level.row,
                            .sum_v = sums.v + y * level.row,
                            .sum = work.weights + y * level.row,
                            .sum_row = level.row});
        });
    }
    const int few = threads_for(std::int64_t(level.height) * level.width * 20, bytes_worth_a_thread, threads_);
    parallel_bands(1, level.height, bands_for(1, level.height, few), few, [&](std::int64_t, int begin, int end, int) {
        for (int y = begin; y < end; ++y) {
            const std::int64_t at = y * level.row;
            kernels.divide({sums.u + at, sums.v + at, work.weights + at, level.width});
        }
    });
}

void Plan::refine(int index, Work& work) const {
    const Level here = level(index);
    for (int i = 0; i < shape_.refinements; ++i) {
        refine_[static_cast<std::size_t>(index - shape_.finest)].run({.from = work.from[static_cast<std::size_t>(index)],
                                                                      .to = work.to[static_cast<std::size_t>(index)],
                                                                      .frame_row = here.row,
                                                                      .flow = work.flow[work.at],
                                                                      .result = work.flow[1 - work.at],
                                                                      .mean = work.weights,
                                                                      .difference = work.difference,
                                                                      .row = here.row},
                                                                     work.scratch());
        work.at = 1 - work.at;
    }
}

void Plan::finish(const Work& work, float* flow) const {
    const Level found = level(shape_.finest);
    const flow_refine::Field& from = work.flow[work.at];
    const int threads = threads_for(std::int64_t(shape_.height) * shape_.width * 8, bytes_worth_a_thread, threads_);
    const int apart = 1 << shape_.finest;
    parallel_bands(1, shape_.height, bands_for(1, shape_.height, threads), threads,
                   [&](std::int64_t, int begin, int end, int slot) {
                       for (int y = begin; y < end; ++y) {
                           const std::int64_t upper = (y / apart) * found.row;
                           const std::int64_t lower = std::min(y / apart + 1, found.height - 1) * found.row;
                           row_->function()->expand({.upper_u = from.u + upper,
                                                     .upper_v = from.v + upper,
                                                     .lower_u = from.u + lower,
                                                     .lower_v = from.v + lower,
                                                     .part = static_cast<float>(y % apart) / static_cast<float>(apart),
                                                     .halvings = shape_.finest,
                                                     .width = shape_.width,
                                                     .coarse_width = found.width,
                                                     .lines = work.scratch().slot<float>(slot),
                                                     .y = flow + std::int64_t(y) * shape_.width * 2});
                       }
                   });
}

void Plan::book(Work& work) const {
    const int first = shape_.finest == 0 ? 0 : 1;
    const Level finest = level(shape_.finest);
    std::int64_t floats = 6 * plane_of(finest.height, finest.width);
    for (int l = first; l <= shape_.coarsest; ++l) {
        floats += 2 * plane_of(level(l).height, level(l).width);
    }
    ScratchBooking booking;
    for (const flow_refine::Plan& plan : refine_) {
        booking.book(plan.booking().bytes_per_thread);
    }
    booking.book(4 * (std::int64_t(shape_.width) + 6 * dis_border) * static_cast<std::int64_t>(sizeof(float)));
    work.buffers = kept.take(floats, booking, threads_);
    float* next = work.buffers->planes.data();
    const auto take = [&](const Level& l) {
        float* at = next + dis_border * l.row + dis_border;
        next += plane_of(l.height, l.width);
        return at;
    };
    for (int l = 0; l <= shape_.coarsest; ++l) {
        work.from.push_back(l < first ? nullptr : take(level(l)));
        work.to.push_back(l < first ? nullptr : take(level(l)));
    }
    for (float** at : {&work.flow[0].u, &work.flow[0].v, &work.flow[1].u, &work.flow[1].v, &work.weights, &work.difference}) {
        *at = take(finest);
    }
}

void Plan::run(const Frame& from, const Frame& to, float* flow) const {
    const KeepAwake awake(threads_);
    Work work{};
    book(work);
    build(from, to, work);
    Level above{};
    for (int l = shape_.coarsest; l >= shape_.finest; --l) {
        Level here = level(l);
        here.from = work.from[static_cast<std::size_t>(l)];
        here.to = work.to[static_cast<std::size_t>(l)];
        search(here, l == shape_.coarsest ? nullptr : &above, work);
        refine(l, work);
        above = here;
    }
    finish(work, flow);
}

void Plan::improve(const Frame& from, const Frame& to, const float* known, float* flow) const {
    const KeepAwake awake(threads_);
    Work work{};
    book(work);
    build(from, to, work);
    const Level here = level(0);
    for (int y = 0; y < here.height; ++y) {
        float *u = work.flow[0].u + y * here.row, *v = work.flow[0].v + y * here.row;
        for (int x = 0; x < here.width; ++x) {
            u[x] = *known++;
            v[x] = *known++;
        }
        u[here.width] = u[here.width - 1];
        v[here.width] = v[here.width - 1];
    }
    refine(0, work);
    finish(work, flow);
}

} // namespace flow_dis
} // namespace fk
