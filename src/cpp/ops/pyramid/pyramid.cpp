#include "ops/pyramid/pyramid.hpp"

#include <algorithm>
#include <mutex>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const HalveLeaf&);                                                                                             \
    }
#include "ops/pyramid/kernels.inc"
#undef FK_KERNEL

namespace pyramid {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/pyramid/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("pyramid", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/pyramid/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("pyramid", device_rows);

constexpr std::int64_t largest_side = 1 << 20;

Rect whole(const Shape& s) { return {.x0 = 0, .y0 = 0, .x1 = s.width, .y1 = s.height}; }

Rect common(const Rect& a, const Rect& b) {
    return {.x0 = std::max(a.x0, b.x0), .y0 = std::max(a.y0, b.y0), .x1 = std::min(a.x1, b.x1), .y1 = std::min(a.y1, b.y1)};
}

// What the level below must have for `r` of a level.
Rect below(const Rect& r) { return {.x0 = 2 * r.x0 - 2, .y0 = 2 * r.y0 - 2, .x1 = 2 * r.x1 + 1, .y1 = 2 * r.y1 + 1}; }
} // namespace

Rect join(const Rect& a, const Rect& b) {
    if (a.empty() || b.empty()) {
        return a.empty() ? b : a;
    }
    return {.x0 = std::min(a.x0, b.x0), .y0 = std::min(a.y0, b.y0), .x1 = std::max(a.x1, b.x1), .y1 = std::max(a.y1, b.y1)};
}

Shape infer(const Params& p) {
    const auto& [height, width] = p.x;
    require_frame(p.name, p.x, p.pixel_stride, largest_side);
    return {.height = static_cast<int>(height), .width = static_cast<int>(width), .is_float = p.is_float ? 1 : 0};
}

Shape halved(const Shape& s) { return {.height = (s.height + 1) / 2, .width = (s.width + 1) / 2, .is_float = s.is_float}; }

Shape level_shape(const Shape& frame, int l) {
    require(l >= 0 && l <= most_levels, "level must be from 0 to ", most_levels, ", is ", l);
    Shape shape = frame;
    for (int i = 0; i < l; ++i) {
        shape = halved(shape);
    }
    return shape;
}

Cost cost(const Shape& shape, int levels) {
    Cost c;
    Shape from = shape;
    for (int l = 0; l < levels; ++l) {
        const Shape to = halved(from);
        const double size = shape.is_float != 0 ? 4 : 1;
        // Seven operations for five taps of a symmetric filter, along columns of every second row, then along rows.
        c.flops += 7 * double(to.height) * (double(from.width) + double(to.width));
        c.bytes_read += size * double(from.height) * double(from.width);
        c.bytes_written += size * double(to.height) * double(to.width);
        from = to;
    }
    return c;
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("pyramid", device_rows, shape, target);
}

Pyramid::Pyramid(const void* frame, std::int64_t row, const Shape& shape) : storage_(most_levels + 1) {
    levels_.push_back({.pixels = frame, .row = row, .shape = shape, .built = whole(shape), .readable = shape.width});
    for (int l = 1; l <= most_levels; ++l) {
        levels_.push_back({.shape = halved(levels_.back().shape), .built = {}});
    }
}

Plan::Plan(const Shape& shape, int threads) : row_(&choose_row("pyramid", rows, shape)), threads_(threads) {}

void Plan::build_level(const Level& from, Level& to, const Rect& rect, Tensor<unsigned char>& storage) const {
    const int size = to.shape.is_float != 0 ? 4 : 1;
    const int width = rect.x1 - rect.x0, height = rect.y1 - rect.y0;
    const std::int64_t stride = round_up(width, alignment) + pyramid_room;
    Tensor<unsigned char> pixels(stride * height * size);
    ScratchBooking booking;
    booking.book((2 * std::int64_t(width) + 3 + 2 * pyramid_room) * 4);
    const int threads = threads_for(4 * std::int64_t(width) * height * size, bytes_worth_a_thread, threads_);
    Scratch scratch(booking, threads);
    const Rect have = common(below(rect), whole(from.shape));
    parallel_bands(1, height, bands_for(1, height, threads), threads, [&](std::int64_t, int begin, int end, int slot) {
        for (int y = begin; y < end; ++y) {
            HalveLeaf leaf{.rows = {},
                           .is_float = to.shape.is_float,
                           .first = have.x0,
                           .last = have.x1,
                           .width = from.shape.width,
                           .x0 = rect.x0,
                           .x1 = rect.x1,
                           .y = pixels.data() + y * stride * size,
                           .line = scratch.slot<unsigned char>(slot)};
            for (int i = 0; i < 5; ++i) {
                const int row = pyramid_reflect(2 * (rect.y0 + y) - 2 + i, from.shape.height);
                leaf.rows[i] = static_cast<const unsigned char*>(from.pixels) +
                               ((row - from.built.y0) * from.row + have.x0 - from.built.x0) * size;
            }
            row_->function(leaf);
        }
    });
    storage = std::move(pixels);
    to.pixels = storage.data();
    to.row = stride;
    to.built = rect;
    to.readable = rect.x0 + static_cast<int>(stride);
}

void Plan::build(Pyramid& pyramid, std::vector<Rect> wanted) const {
    const auto missing = [&] {
        bool any = false;
        for (std::size_t l = 1; l < wanted.size(); ++l) {
            any = any || !pyramid.levels_[l].built.holds(wanted[l]);
        }
        return any;
    };
    {
        const std::shared_lock reading(pyramid.mutex_);
        if (!missing()) {
            return;
        }
    }
    const std::unique_lock writing(pyramid.mutex_);
    for (std::size_t l = wanted.size(); l-- > 1;) {
        Level& level = pyramid.levels_[l];
        wanted[l] = common(wanted[l], whole(level.shape));
        if (!level.built.holds(wanted[l])) {
            wanted[l] = join(level.built, wanted[l]); // what stands stays: others may count on it
            wanted[l - 1] = join(wanted[l - 1], common(below(wanted[l]), whole(pyramid.levels_[l - 1].shape)));
        }
    }
    const KeepAwake awake(threads_);
    for (std::size_t l = 1; l < wanted.size(); ++l) {
        Level& level = pyramid.levels_[l];
        if (!level.built.holds(wanted[l])) {
            build_level(pyramid.levels_[l - 1], level, wanted[l], pyramid.storage_[l]);
        }
    }
}

} // namespace pyramid
} // namespace fk
