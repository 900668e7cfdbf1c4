#include "ops/softmax/softmax.hpp"

#include "base/threads.hpp"
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
} // namespace

Shape infer(const Params& p) {
    require(p.rows >= 1 && p.n >= 1, "x must hold at least one value; there are ", p.rows, " rows of ", p.n);
    return {.rows = p.rows, .n = p.n};
}

Cost cost(const Shape& s) {
    const double values = double(s.rows) * double(s.n);
    // Subtraction, sum and scaling, and the exponential counted as one.
    return {.flops = 4 * values, .bytes_read = 4 * values, .bytes_written = 4 * values};
}

Plan::Plan(const Shape& shape, int threads) : shape_(shape), row_(&choose_row("softmax", rows, shape)), threads_(threads) {}

void Plan::run(const float* x, float* y, std::int64_t row_count, Scratch& /*scratch*/) const {
    const std::int64_t n = shape_.n;
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
