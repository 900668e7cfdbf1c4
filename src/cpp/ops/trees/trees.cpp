#include "ops/trees/trees.hpp"

#include <algorithm>
#include <cmath>

#include "base/threads.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const TreesLeaf&);                                                                                             \
    }
#include "ops/trees/kernels.inc"
#undef FK_KERNEL

namespace trees {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/trees/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("trees", rows);

constexpr std::int64_t largest_side = 1 << 24;
constexpr double largest_coordinate = 1 << 24;
} // namespace

Shape infer(const Params& p) {
    require(p.height >= 1 && p.width >= 1 && p.height <= largest_side && p.width <= largest_side, "picture is ", p.height, " x ",
            p.width, ": sides from 1 to ", largest_side, " are possible");
    require(p.pictures == 0 || p.pictures == p.faces, "there are ", p.pictures, " pictures for ", p.faces, " faces");
    for (std::int64_t i = 0; i < p.faces; ++i) {
        const Frame& f = p.frames[i];
        const auto fits = [](double v) { return std::abs(v) <= largest_coordinate; };
        require(fits(f.left) && fits(f.top) && fits(f.width) && fits(f.height) && f.width > 0 && f.height > 0, "frames[", i,
                "] is left ", f.left, ", top ", f.top, ", width ", f.width, ", height ", f.height,
                "; sizes must be above 0 and all within ", largest_coordinate, " pixels");
    }
    return {
        .faces = p.faces, .height = static_cast<int>(p.height), .width = static_cast<int>(p.width), .shared = p.pictures == 0};
}

Cost cost(const Ensemble& e, const Shape& s) {
    const double width = e.rank > 0 ? e.rank : 2 * e.points;
    const double levels = double(s.faces) * e.levels;
    // A look-up: eight operations to place it; a split: difference, comparison, next; a leaf: a sum for each number.
    const double flops = 8.0 * e.pool + double(e.trees) * (3.0 * e.depth + width) + 4.0 * e.points * e.rank;
    const double bytes = e.pool + double(e.trees) * (10.0 * e.depth + width * (e.rank > 0 ? 1 : 4));
    return {.flops = levels * flops, .bytes_read = levels * bytes, .bytes_written = 8.0 * double(s.faces) * e.points};
}

Turn turn_between(const float* mean, const float* shape, std::int32_t points) {
    double mx = 0, my = 0, sx = 0, sy = 0;
    for (std::int32_t p = 0; p < points; ++p) {
        mx += double(mean[2 * p]);
        my += double(mean[2 * p + 1]);
        sx += double(shape[2 * p]);
        sy += double(shape[2 * p + 1]);
    }
    mx /= points;
    my /= points;
    sx /= points;
    sy /= points;
    double a = 0, b = 0, size = 0;
    for (std::int32_t p = 0; p < points; ++p) {
        const double x = double(mean[2 * p]) - mx, y = double(mean[2 * p + 1]) - my;
        const double u = double(shape[2 * p]) - sx, v = double(shape[2 * p + 1]) - sy;
        a += x * u + y * v;
        b += x * v - y * u;
        size += x * x + y * y;
    }
    return {.a = static_cast<float>(a / size), .b = static_cast<float>(b / size)};
}

template <class T> void look(const Picture& picture, const Frame& frame, const float* shape, Turn turn,
                             const std::int32_t* anchors, const float* offsets, std::int32_t pool, T* values) {
    for (std::int32_t f = 0; f < pool; ++f) {
        const float dx = offsets[2 * f], dy = offsets[2 * f + 1];
        const float u = turn.a * dx - turn.b * dy + shape[2 * anchors[f]];
        const float v = turn.b * dx + turn.a * dy + shape[2 * anchors[f] + 1];
        // The pixel is floor(x), floor(y): inside the picture these are cut off, outside nobody needs them.
        const double x = frame.left + double(u) * frame.width + 0.5;
        const double y = frame.top + double(v) * frame.height + 0.5;
        const bool inside = x >= 0 && x < picture.width && y >= 0 && y < picture.height;
        const std::int64_t at =
            inside ? static_cast<std::int32_t>(y) * picture.row + static_cast<std::int32_t>(x) * picture.column : 0;
        values[f] = inside ? static_cast<T>(picture.pixels[at]) : T(0);
    }
}

template void look(const Picture& picture, const Frame& frame, const float* shape, Turn turn, const std::int32_t* anchors,
                   const float* offsets, std::int32_t pool, float* values);
template void look(const Picture& picture, const Frame& frame, const float* shape, Turn turn, const std::int32_t* anchors,
                   const float* offsets, std::int32_t pool, std::uint8_t* values);

struct Plan::Room {
    float* pixels;
    std::int32_t* reached;
    std::int32_t* sums;
    float* delta;
};

namespace {
// Elements of the parts of a thread's scratch, all of four bytes.
std::int64_t padded(std::int64_t n) { return round_up(n + trees_padding, 16); }
} // namespace

Plan::Plan(const Ensemble& ensemble, const Shape& shape, int threads)
    : ensemble_(&ensemble), shape_(shape), row_(&choose_row("trees", rows, shape)), threads_(threads) {
    static_assert(sizeof(float) == sizeof(std::int32_t));
    const std::int64_t elements =
        padded(ensemble.pool) + padded(ensemble.trees) + padded(most_width) + padded(2 * ensemble.points);
    booking_.book((elements + padded(2 * ensemble.points)) * static_cast<std::int64_t>(sizeof(float)));
}

void Plan::run_face(const Picture& picture, const Frame& frame, float* shape, const Room& room) const {
    const Ensemble& e = *ensemble_;
    const std::int64_t splits = e.splits(), width = e.rank > 0 ? e.rank : 2 * e.points;
    for (std::int64_t l = 0; l < e.levels; ++l) {
        const Turn turn = turn_between(e.mean.data(), shape, e.points);
        look(picture, frame, shape, turn, e.anchors.data() + l * e.pool, e.offsets.data() + 2 * l * e.pool, e.pool, room.pixels);
        const std::int64_t first = l * e.trees;
        row_->function(TreesLeaf{.pairs = e.pairs.data() + first * splits,
                                 .thresholds = e.thresholds.data() + first * splits,
                                 .trees = e.trees,
                                 .depth = e.depth,
                                 .pixels = room.pixels,
                                 .reached = room.reached,
                                 .leaves = e.rank > 0 ? nullptr : e.leaves.data() + first * (splits + 1) * width,
                                 .codes = e.rank > 0 ? e.codes.data() + first * (splits + 1) * width : nullptr,
                                 .width = static_cast<std::int32_t>(width),
                                 .total = shape,
                                 .sums = room.sums});
        if (e.rank == 0) {
            continue;
        }
        std::fill_n(room.delta, 2 * e.points, 0.0F);
        for (std::int64_t k = 0; k < e.rank; ++k) {
            const auto sum = static_cast<float>(room.sums[k]);
            const float* column = e.basis.data() + (l * e.rank + k) * 2 * e.points;
            for (std::int32_t i = 0; i < 2 * e.points; ++i) {
                room.delta[i] += sum * column[i];
            }
        }
        for (std::int32_t p = 0; p < e.points; ++p) {
            const float dx = room.delta[2 * p], dy = room.delta[2 * p + 1];
            shape[2 * p] += turn.a * dx - turn.b * dy;
            shape[2 * p + 1] += turn.b * dx + turn.a * dy;
        }
    }
}

void Plan::run(const View<const std::uint8_t>& pictures, const Frame* frames, const float* starts, float* points,
               Scratch& scratch) const {
    const Ensemble& e = *ensemble_;
    const std::int64_t numbers = 2 * std::int64_t(e.points);
    const std::size_t axis = shape_.shared ? 0 : 1;
    parallel_for(static_cast<int>(shape_.faces), threads_, [&](int face, int slot) {
        auto* memory = scratch.slot<float>(slot);
        Room room{};
        room.pixels = memory;
        room.reached = reinterpret_cast<std::int32_t*>(memory += padded(e.pool));
        room.sums = reinterpret_cast<std::int32_t*>(memory += padded(e.trees));
        room.delta = memory += padded(most_width);
        float* shape = memory += padded(numbers);
        const float* start = starts != nullptr ? starts + face * numbers : e.mean.data();
        std::copy_n(start, numbers, shape);
        const Picture picture{.pixels = pictures.data + (shape_.shared ? 0 : face * pictures.strides[0]),
                              .row = pictures.strides[axis],
                              .column = pictures.strides[axis + 1],
                              .height = shape_.height,
                              .width = shape_.width};
        const Frame& frame = frames[face];
        run_face(picture, frame, shape, room);
        for (std::int32_t p = 0; p < e.points; ++p) {
            points[face * numbers + 2 * p] = static_cast<float>(frame.left + double(shape[2 * p]) * frame.width);
            points[face * numbers + 2 * p + 1] = static_cast<float>(frame.top + double(shape[2 * p + 1]) * frame.height);
        }
    });
}

} // namespace trees
} // namespace fk
