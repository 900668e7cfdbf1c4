#include "ops/elementwise/elementwise.hpp"

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const ElementwiseLeaf&);                                                                                       \
    }
#include "ops/elementwise/kernels.inc"
#undef FK_KERNEL

namespace elementwise {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/elementwise/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("elementwise", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/elementwise/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("elementwise", device_rows);

// Numbers in one piece of work: a multiple of every vector.
constexpr std::int64_t piece = 16 * 1024;
} // namespace

Shape infer(const Params& p) {
    require(p.n >= 1 && p.size >= 1, "x must hold at least one value");
    require(p.inputs == 1 || p.inputs == 2, "elementwise takes one or two inputs, not ", p.inputs);
    return {.n = checked_int(p.n, "batch"),
            .size = checked_int(p.size, "numbers"),
            .inputs = p.inputs,
            .activation = p.activation.kind,
            .alpha = p.activation.alpha};
}

Cost cost(const Shape& s) {
    const double count = double(s.n) * s.size;
    return {.flops = count * s.inputs, .bytes_read = 4 * count * s.inputs, .bytes_written = 4 * count};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("elementwise", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads) : shape_(shape), row_(&choose_row("elementwise", rows, shape)), threads_(threads) {}

void Plan::run(const float* a, const float* b, float* y, std::int64_t count, Scratch& /*scratch*/) const {
    const int threads = threads_for(8 * count, bytes_worth_a_thread, threads_);
    parallel_for(static_cast<int>(ceil_div(count, piece)), threads, [&](int task, int) {
        const std::int64_t first = task * piece;
        row_->function(ElementwiseLeaf{.a = a + first,
                                       .b = b != nullptr ? b + first : nullptr,
                                       .y = y + first,
                                       .count = std::min(piece, count - first),
                                       .activation = shape_.activation,
                                       .alpha = shape_.alpha});
    });
}

} // namespace elementwise
} // namespace fk
