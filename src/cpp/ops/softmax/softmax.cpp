#include "ops/softmax/softmax.hpp"

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const SoftmaxLeaf&);                                                                                           \
    }
#include "ops/softmax/kernels.inc"
#undef FK_KERNEL

namespace softmax {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/softmax/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("softmax", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/softmax/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("softmax", device_rows);
} // namespace

Shape infer(const Params& p) {
    require(p.n >= 1 && p.size >= 1 && p.inner >= 1, "x must hold at least one value; there are ", p.n * p.inner, " rows of ",
            p.size);
    return {.n = checked_int(p.n, "batch"), .size = checked_int(p.size, "size"), .inner = checked_int(p.inner, "inner size")};
}

Cost cost(const Shape& s) {
    const double values = double(s.n) * s.size * s.inner;
    // Subtraction, sum and scaling, and the exponential counted as one.
    return {.flops = 4 * values, .bytes_read = 4 * values, .bytes_written = 4 * values};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("softmax", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads) : shape_(shape), row_(&choose_row("softmax", rows, shape)), threads_(threads) {}

void Plan::run(const float* x, float* y, std::int64_t row_count, Scratch& /*scratch*/) const {
    const std::int64_t n = shape_.size;
    const int threads = threads_for(8 * row_count * n, bytes_worth_a_thread, threads_);
    const int pieces = threads == 1 ? 1 : static_cast<int>(std::min<std::int64_t>(row_count, pieces_per_thread * threads));
    parallel_for(pieces, threads, [&](int task, int) {
        const std::int64_t begin = row_count * task / pieces;
        const std::int64_t end = row_count * (task + 1) / pieces;
        row_->function(SoftmaxLeaf{.x = x + begin * n, .y = y + begin * n, .rows = end - begin, .n = n});
    });
}

} // namespace softmax
} // namespace fk
