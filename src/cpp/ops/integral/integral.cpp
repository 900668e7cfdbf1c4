#include "ops/integral/integral.hpp"

#include <algorithm>
#include <vector>

#include "ops/integral/leaf.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const IntegralLeaf&);                                                                                          \
    }
#include "ops/integral/kernels.inc"
#undef FK_KERNEL

namespace integral {

namespace {

using KernelRow = Row<Shape, IntegralKernel>;

constexpr std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible<Shape>, block},
#include "ops/integral/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("integral", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/integral/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("integral", device_rows);

// T(y, x) = T(y-1, x-1) + T(y-1, x+1) - T(y-2, x) + p(y-1, x-1) + p(y-2, x-1); beyond the right edge T(y-1, x+1) has
// only what T(y-2, x) has.
void tilted_sum(const Shape& s, const std::uint8_t* pixels, std::int64_t stride_bytes, std::int32_t* out) {
    const std::int64_t row = std::int64_t(s.width) + 1;
    const std::vector<std::int32_t> none(static_cast<std::size_t>(row), 0);
    std::fill_n(out, row, 0);
    for (std::int64_t y = 1; y <= s.height; ++y) {
        const std::int32_t* last = out + (y - 1) * row;
        const std::int32_t* before = y >= 2 ? out + (y - 2) * row : none.data();
        const std::uint8_t* p = pixels + (y - 1) * stride_bytes;
        const std::uint8_t* above = y >= 2 ? p - stride_bytes : nullptr;
        std::int32_t* to = out + y * row;
        to[0] = last[1];
        for (std::int64_t x = 1; x <= s.width; ++x) {
            const std::int32_t right = x < s.width ? last[x + 1] : before[x];
            to[x] = last[x - 1] + right - before[x] + p[x - 1] + (above != nullptr ? above[x - 1] : 0);
        }
    }
}

} // namespace

Shape infer(const Params& p) {
    require(p.height >= 1 && p.width >= 1, "gray must hold a pixel, its shape is [", p.height, ", ", p.width, "]");
    constexpr std::int64_t most = 2147483647 / 255;
    require(p.height <= most && p.width <= most && p.height * p.width <= most, "gray has ", p.height, " x ", p.width,
            " pixels; their sum may reach 255 * height * width, which fits into an int32 up to ", most, " pixels");
    return {.height = static_cast<std::int32_t>(p.height),
            .width = static_cast<std::int32_t>(p.width),
            .squared = p.squared ? 1 : 0,
            .tilted = p.tilted ? 1 : 0};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.height) * s.width;
    return {.flops = pixels * (2 + (s.squared != 0 ? 3 : 0) + (s.tilted != 0 ? 4 : 0)),
            .bytes_read = pixels,
            .bytes_written = pixels * (4 + (s.squared != 0 ? 8 : 0) + (s.tilted != 0 ? 4 : 0))};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("integral", device_rows, shape, target);
}

void run(const Shape& s, const std::uint8_t* pixels, std::int64_t stride_bytes, std::int32_t* sum, std::int64_t* square,
         std::int32_t* tilted) {
    const std::int64_t row = std::int64_t(s.width) + 1;
    std::fill_n(sum, row, 0);
    for (std::int64_t y = 1; y <= s.height; ++y) {
        sum[y * row] = 0;
        if (square != nullptr) {
            square[y * row] = 0;
        }
    }
    if (square != nullptr) {
        std::fill_n(square, row, std::int64_t{0});
    }
    choose_row("integral", rows, s).function({pixels, stride_bytes, s.height, s.width, sum, square});
    if (tilted != nullptr) {
        tilted_sum(s, pixels, stride_bytes, tilted);
    }
}

} // namespace integral
} // namespace fk
