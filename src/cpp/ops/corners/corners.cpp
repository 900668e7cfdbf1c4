#include "ops/corners/corners.hpp"

#include <algorithm>
#include <cmath>

#include "base/threads.hpp"
#include "ops/dims.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const CornersLeaf&);                                                                                           \
    }
#include "ops/corners/kernels.inc"
#undef FK_KERNEL

namespace corners {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/corners/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("corners", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_corners_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/corners/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("corners", device_rows);

constexpr std::int64_t largest_side = 1 << 20;

// No neighbour of p is larger. `row` elements lie between rows.
bool is_peak(const float* p, std::int64_t row) {
    for (const std::int64_t near : {-row - 1, -row, -row + 1, std::int64_t{-1}, std::int64_t{1}, row - 1, row, row + 1}) {
        if (p[near] > *p) {
            return false;
        }
    }
    return true;
}
} // namespace

Shape infer(const Params& p) {
    const auto& [height, width] = p.x;
    require_frame("gray", p.x, p.pixel_stride, largest_side);
    require(p.count >= 1, "count must be at least 1, is ", p.count);
    require(p.quality >= 0 && p.quality <= 1, "quality must be from 0 to 1, is ", p.quality);
    require(std::isfinite(p.min_distance) && p.min_distance >= 0, "min_distance must be finite and not below 0, is ",
            p.min_distance);
    require(p.block >= 1 && p.block <= corners_largest_block, "block must be from 1 to ", int{corners_largest_block}, ", is ",
            p.block);
    return {.height = static_cast<int>(height),
            .width = static_cast<int>(width),
            .is_float = p.is_float,
            .count = p.count,
            .quality = p.quality,
            .min_distance = p.min_distance,
            .block = static_cast<int>(p.block)};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.height) * double(s.width);
    // Sobel 8, products 3, sums over a block 6 (block - 1), eigenvalue 10, comparisons 9.
    return {
        .flops = pixels * (30 + 6.0 * (s.block - 1)), .bytes_read = pixels * (s.is_float ? 8 : 5), .bytes_written = 4 * pixels};
}

fk_corners_shape picture(const Shape& s) {
    return {.height = s.height, .width = s.width, .is_float = s.is_float ? 1 : 0, .block = s.block};
}

Cost picture_cost(const fk_corners_shape& p) {
    Shape shape{};
    shape.height = p.height;
    shape.width = p.width;
    shape.is_float = p.is_float != 0;
    shape.block = p.block;
    return cost(shape);
}

const DeviceRow<fk_corners_shape>& choose_device_kernel(const fk_corners_shape& picture, std::string_view target) {
    return choose_device_row("corners", device_rows, picture, target);
}

Plan::Plan(const Shape& shape, int threads) : shape_(shape), row_(&choose_row("corners", rows, shape)), threads_(threads) {}

void Plan::eigenvalues(const void* pixels, std::int64_t row, float* to) const {
    const Shape& s = shape_;
    ScratchBooking booking;
    booking.book(corners_scratch(s.width, s.block) * static_cast<std::int64_t>(sizeof(float)));
    Scratch scratch(booking, threads_);
    parallel_for(static_cast<int>(ceil_div(s.height, corners_band)), threads_, [&](int task, int slot) {
        const int begin = task * corners_band;
        row_->function(CornersLeaf{.pixels = pixels,
                                   .row = row,
                                   .is_float = s.is_float ? 1 : 0,
                                   .width = s.width,
                                   .height = s.height,
                                   .begin = begin,
                                   .end = std::min(s.height, begin + corners_band),
                                   .block = s.block,
                                   .y = to + std::int64_t(begin) * s.width,
                                   .scratch = scratch.slot<float>(slot)});
    });
}

namespace {
std::vector<Corner> peaks(const Shape& s, const float* values) {
    const std::int64_t pixels = std::int64_t(s.height) * s.width;
    float largest = 0;
    for (std::int64_t i = 0; i < pixels; ++i) {
        largest = values[i] > largest ? values[i] : largest;
    }
    const auto least = static_cast<float>(largest * s.quality);
    std::vector<Corner> found;
    for (int y = 1; y < s.height - 1; ++y) {
        const float* line = values + std::int64_t(y) * s.width;
        for (int x = 1; x < s.width - 1; ++x) {
            if (line[x] > least && is_peak(line + x, s.width)) {
                found.push_back({.x = x, .y = y, .eigenvalue = line[x]});
            }
        }
    }
    std::sort(found.begin(), found.end(), [](const Corner& a, const Corner& b) {
        return a.eigenvalue != b.eigenvalue ? a.eigenvalue > b.eigenvalue : a.y != b.y ? a.y > b.y : a.x > b.x;
    });
    return found;
}

// The best that keep their distance. Cells of that size: only those around a corner can hold one that is too near.
std::vector<Corner> spread(const Shape& s, const std::vector<Corner>& best) {
    const double distance = s.min_distance;
    const int side = static_cast<int>(std::clamp(std::ceil(distance), 1.0, double(largest_side)));
    const int across = (s.width - 1) / side + 1, down = (s.height - 1) / side + 1;
    std::vector<std::vector<Corner>> cells(static_cast<std::size_t>(across) * static_cast<std::size_t>(down));
    const auto cell = [&](int u, int v) -> auto& {
        return cells[static_cast<std::size_t>(v) * static_cast<std::size_t>(across) + static_cast<std::size_t>(u)];
    };
    const auto is_free = [&](const Corner& c) {
        for (int v = std::max(0, c.y / side - 1); v <= std::min(down - 1, c.y / side + 1); ++v) {
            for (int u = std::max(0, c.x / side - 1); u <= std::min(across - 1, c.x / side + 1); ++u) {
                for (const Corner& other : cell(u, v)) {
                    if (std::hypot(c.x - other.x, c.y - other.y) < distance) {
                        return false;
                    }
                }
            }
        }
        return true;
    };
    std::vector<Corner> chosen;
    for (const Corner& c : best) {
        if (static_cast<std::int64_t>(chosen.size()) == s.count) {
            break;
        }
        if (is_free(c)) {
            cell(c.x / side, c.y / side).push_back(c);
            chosen.push_back(c);
        }
    }
    return chosen;
}
} // namespace

std::vector<Corner> choose(const Shape& shape, const float* eigenvalues) {
    std::vector<Corner> best = peaks(shape, eigenvalues);
    if (shape.min_distance > 1) {
        return spread(shape, best); // nearer than 1 there is no other pixel
    }
    best.resize(std::min(best.size(), static_cast<std::size_t>(shape.count)));
    return best;
}

std::vector<Corner> Plan::run(const void* pixels, std::int64_t row) const {
    Tensor<float> values(std::int64_t(shape_.height) * shape_.width);
    eigenvalues(pixels, row, values.data());
    return choose(shape_, values.data());
}

} // namespace corners
} // namespace fk
