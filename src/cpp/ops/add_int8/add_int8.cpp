#include "ops/add_int8/add_int8.hpp"

#include <algorithm>

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const AddInt8Leaf&);                                                                                           \
    }
#include "ops/add_int8/kernels.inc"
#undef FK_KERNEL

namespace add_int8 {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/add_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("add_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_add_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/add_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("add_int8", device_rows);

constexpr std::int64_t chunk = 16 * 1024;

// The numbers of a sum; no arrays yet.
AddInt8Leaf leaf_of(const Params& p) {
    require(p.count >= 1 && p.count % byte_block == 0, "count = ", p.count, " must be a multiple of ", byte_block);
    const double a = double(p.a.scale) / p.y.scale;
    const double b = double(p.b.scale) / p.y.scale;
    AddInt8Leaf leaf{};
    leaf.a_factor = static_cast<float>(a);
    leaf.b_factor = static_cast<float>(b);
    leaf.offset = static_cast<float>(p.y.zero_point - a * p.a.zero_point - b * p.b.zero_point);
    leaf.low = p.low;
    leaf.high = p.high;
    require(std::isfinite(leaf.a_factor) && std::isfinite(leaf.b_factor) && std::isfinite(leaf.offset), "the scales ", p.a.scale,
            " and ", p.b.scale, " of a sum and ", p.y.scale, " of its result lie too far apart");
    return leaf;
}
} // namespace

Cost cost(const Shape& s) {
    return {.flops = 3.0 * double(s.count), .bytes_read = 2.0 * double(s.count), .bytes_written = double(s.count)};
}

fk_add_int8_shape device_shape(const Params& p, int n) {
    const AddInt8Leaf leaf = leaf_of(p);
    return {.n = n,
            .size = checked_int(p.count, "bytes of an image"),
            .x1_factor = leaf.a_factor,
            .x2_factor = leaf.b_factor,
            .offset = leaf.offset,
            .low = leaf.low,
            .high = leaf.high};
}

Cost device_cost(const fk_add_int8_shape& s) { return cost({std::int64_t(s.n) * s.size}); }

const DeviceRow<fk_add_int8_shape>& choose_device_kernel(const fk_add_int8_shape& shape, std::string_view target) {
    return choose_device_row("add_int8", device_rows, shape, target);
}

Plan::Plan(const Params& p, int threads)
    : shape_{p.count}, row_(&choose_row("add_int8", rows, shape_)), leaf_(leaf_of(p)), threads_(threads) {}

void Plan::run(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y, int images) const {
    const std::int64_t count = shape_.count * images;
    const int threads = threads_for(3 * count, bytes_worth_a_thread, threads_);
    parallel_for(static_cast<int>(ceil_div(count, chunk)), threads, [&](int index, int) {
        AddInt8Leaf leaf = leaf_;
        const std::int64_t first = index * chunk;
        leaf.a = a + first;
        leaf.b = b + first;
        leaf.y = y + first;
        leaf.count = std::min(chunk, count - first);
        row_->function(leaf);
    });
}

} // namespace add_int8
} // namespace fk
