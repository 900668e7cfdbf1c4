#include "ops/gray/gray.hpp"

#include <algorithm>

#include "base/threads.hpp"
#include "ops/dims.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const GrayLeaf&);                                                                                              \
    }
#include "ops/gray/kernels.inc"
#undef FK_KERNEL

namespace gray {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/gray/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("gray", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/gray/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("gray", device_rows);

// About 10 us of work, so that waking a thread is worth it.
constexpr std::int64_t pixels_per_task = 64 * 1024;
} // namespace

Shape infer(const Params& p) {
    const auto& [height, width, channels] = p.x;
    require(height >= 1 && width >= 1, "rgb must hold at least one pixel, its shape is [", height, ", ", width, ", ", channels,
            "]");
    require(channels == 3 || channels == 4, "rgb must have 3 channels (R, G, B) or 4 (and alpha), has ", channels, ": shape [",
            height, ", ", width, ", ", channels, "]");
    return {
        .height = checked_int(height, "height"), .width = checked_int(width, "width"), .channels = static_cast<int>(channels)};
}

Cost cost(const Shape& s) {
    const double pixels = double(s.height) * double(s.width);
    return {.flops = 5 * pixels, .bytes_read = pixels * s.channels, .bytes_written = pixels};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("gray", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, bool packed, int threads)
    : shape_(shape), row_(&choose_row("gray", rows, shape)), packed_(packed), threads_(threads),
      rows_per_task_(std::max<std::int64_t>(1, pixels_per_task / shape.width)) {
    if (!packed) {
        booking_.book(std::int64_t(shape.width) * shape.channels);
    }
}

void Plan::run(const View<const std::uint8_t>& x, std::uint8_t* y, Scratch& scratch) const {
    const Shape& s = shape_;
    parallel_for(static_cast<int>(ceil_div(s.height, rows_per_task_)), threads_, [&](int task, int slot) {
        const std::int64_t begin = task * rows_per_task_;
        const std::int64_t end = std::min<std::int64_t>(s.height, begin + rows_per_task_);
        for (std::int64_t i = begin; i < end; ++i) {
            const std::uint8_t* from = x.data + i * x.strides[0];
            if (!packed_) {
                std::uint8_t* to = scratch.slot<std::uint8_t>(slot);
                for (int j = 0; j < s.width; ++j) {
                    for (int c = 0; c < s.channels; ++c) {
                        to[j * s.channels + c] = from[j * x.strides[1] + c * x.strides[2]];
                    }
                }
                from = scratch.slot<std::uint8_t>(slot);
            }
            row_->function(GrayLeaf{.x = from, .y = y + i * s.width, .pixels = s.width, .channels = s.channels});
        }
    });
}

} // namespace gray
} // namespace fk
