#include "ops/lookup_int8/lookup_int8.hpp"

#include <algorithm>

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const LookupInt8Leaf&);                                                                                        \
    }
#include "ops/lookup_int8/kernels.inc"
#undef FK_KERNEL

namespace lookup_int8 {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/lookup_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("lookup_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_lookup_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/lookup_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("lookup_int8", device_rows);

constexpr std::int64_t chunk = 16 * 1024;

void check_count(const Shape& s) {
    require(s.count >= 1 && s.count % byte_block == 0, "count = ", s.count, " must be a multiple of ", byte_block);
}
} // namespace

Table tabulate(const Quantization& x, const Quantization& y, const std::function<float(float)>& f) {
    Table table{};
    for (int q = 0; q < 256; ++q) {
        const double value = f(x.scale * static_cast<float>(q - x.zero_point));
        const double result = std::nearbyint(value / y.scale) + y.zero_point;
        table[static_cast<std::size_t>(q)] = static_cast<std::uint8_t>(result > 0 ? std::min(result, 255.0) : 0.0);
    }
    return table;
}

Cost cost(const Shape& s) { return {.flops = 0, .bytes_read = double(s.count), .bytes_written = double(s.count)}; }

fk_lookup_int8_shape device_shape(const Shape& s, int n) {
    check_count(s);
    return {.n = n, .size = checked_int(s.count, "bytes of an image")};
}

Cost device_cost(const fk_lookup_int8_shape& s) { return cost({std::int64_t(s.n) * s.size}); }

const DeviceRow<fk_lookup_int8_shape>& choose_device_kernel(const fk_lookup_int8_shape& shape, std::string_view target) {
    return choose_device_row("lookup_int8", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const Table& table, int threads)
    : shape_(shape), row_(&choose_row("lookup_int8", rows, shape)), table_(table), threads_(threads) {
    check_count(shape);
}

void Plan::run(const std::uint8_t* x, std::uint8_t* y, int images) const {
    const std::int64_t count = shape_.count * images;
    const int threads = threads_for(2 * count, bytes_worth_a_thread, threads_);
    parallel_for(static_cast<int>(ceil_div(count, chunk)), threads, [&](int index, int) {
        const std::int64_t first = index * chunk;
        row_->function(
            LookupInt8Leaf{.x = x + first, .table = table_.data(), .y = y + first, .count = std::min(chunk, count - first)});
    });
}

} // namespace lookup_int8
} // namespace fk
