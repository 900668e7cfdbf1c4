#include "ops/lookup_int8/lookup_int8.hpp"

#include <algorithm>

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

constexpr std::int64_t chunk = 16 * 1024;
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

Plan::Plan(const Shape& shape, const Table& table, int threads)
    : shape_(shape), row_(&choose_row("lookup_int8", rows, shape)), table_(table), threads_(threads) {
    require(shape.count >= 1 && shape.count % byte_block == 0, "count = ", shape.count, " must be a multiple of ", byte_block);
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
