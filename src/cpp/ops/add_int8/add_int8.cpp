#include "ops/add_int8/add_int8.hpp"

#include <algorithm>

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

constexpr std::int64_t chunk = 16 * 1024;
} // namespace

Cost cost(const Shape& s) {
    return {.flops = 3.0 * double(s.count), .bytes_read = 2.0 * double(s.count), .bytes_written = double(s.count)};
}

Plan::Plan(const Params& p, int threads) : shape_{p.count}, row_(&choose_row("add_int8", rows, shape_)), threads_(threads) {
    require(p.count >= 1 && p.count % byte_block == 0, "count = ", p.count, " must be a multiple of ", byte_block);
    const double a = double(p.a.scale) / p.y.scale;
    const double b = double(p.b.scale) / p.y.scale;
    leaf_.a_factor = static_cast<float>(a);
    leaf_.b_factor = static_cast<float>(b);
    leaf_.offset = static_cast<float>(p.y.zero_point - a * p.a.zero_point - b * p.b.zero_point);
    leaf_.low = p.low;
    leaf_.high = p.high;
    require(std::isfinite(leaf_.a_factor) && std::isfinite(leaf_.b_factor) && std::isfinite(leaf_.offset), "the scales ",
            p.a.scale, " and ", p.b.scale, " of a sum and ", p.y.scale, " of its result lie too far apart");
}

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
