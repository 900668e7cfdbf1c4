#include "ops/gemm/gemm.hpp"

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/reorder/reorder.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const GemmLeaf&);                                                                                              \
    }
#include "ops/gemm/kernels.inc"
#undef FK_KERNEL

namespace gemm {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/gemm/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("gemm", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/gemm/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("gemm", device_rows);
} // namespace

Shape infer(const Params& p) {
    const auto [m, k] = p.a;
    const auto [b_k, n] = p.transposed ? std::array{p.b[1], p.b[0]} : p.b;
    require(m >= 1 && k >= 1, "a must not be empty, its shape is [", m, ", ", k, "]");
    require(n >= 1 && b_k >= 1, "b must not be empty, its shape is [", p.b[0], ", ", p.b[1], "]");
    require(k == b_k, "a [", m, ", ", k, "] times b", p.transposed ? " transposed [" : " [", b_k, ", ", n, "]: the inner sizes ",
            k, " and ", b_k, " differ");
    require(p.bias == -1 || p.bias == n, "bias has ", p.bias, " values, expected one for each of the ", n, " columns");
    return {.m = checked_int(m, "rows of a"),
            .n = checked_int(n, "columns of b"),
            .k = checked_int(k, "columns of a"),
            .transposed = p.transposed ? 1 : 0,
            .activation = p.activation.kind,
            .alpha = p.activation.alpha};
}

Cost cost(const Shape& s) {
    return {.flops = 2 * double(s.m) * s.n * s.k,
            .bytes_read = 4 * (double(s.m) * s.k + double(s.k) * s.n + s.n),
            .bytes_written = 4 * double(s.m) * s.n};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("gemm", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const float* b, std::int64_t ldb, const float* bias, int threads)
    : shape_(shape), row_(&choose_row("gemm", rows, shape)), threads_(threads),
      panels_(Tensor<float>::unset(round_up(shape.n, row_->block) * shape.k)), bias_(round_up(shape.n, row_->block)) {
    const int width = row_->block;
    const int lanes = std::max(1, width / 2);
    const int sharing = threads_for(8 * panels_.size(), bytes_worth_a_thread, threads);
    parallel_for(static_cast<int>(ceil_div(shape.n, width)), sharing, [&](int panel, int) {
        const int first = panel * width;
        const int columns = std::min(width, shape.n - first);
        float* to = panels_.data() + std::int64_t(first) * shape.k;
        // Along b's rows as they stand, whichever way they run.
        if (shape.transposed == 0) {
            for (std::int64_t p = 0; p < shape.k; ++p) {
                std::fill_n(std::copy_n(b + p * ldb + first, columns, to + p * width), width - columns, 0.0F);
            }
            return;
        }
        for (int j = 0; j < width; j += lanes) {
            reorder::side_by_side(b + (first + j) * ldb, ldb, std::clamp(columns - j, 0, lanes), shape.k, lanes, to + j, width);
        }
    });
    if (bias != nullptr) {
        std::copy(bias, bias + shape.n, bias_.data());
    }
    booking_.book(std::int64_t(gemm_rows) * gemm_depth * 4);
}

void Plan::run(const float* a, std::int64_t lda, float* c, std::int64_t ldc, int m, Scratch& scratch) const {
    const Shape& s = shape_;
    const int width = row_->block;
    const int panels = static_cast<int>(ceil_div(s.n, width));
    const int threads = threads_for(2 * std::int64_t(m) * s.n * s.k, flops_worth_a_thread, threads_);
    // Rows are cut as the scratch demands; columns too where that leaves too few pieces for the threads. The sum of an
    // element runs over p in one order whatever the cut.
    const int wanted = threads > 1 ? pieces_per_thread * threads : 1;
    const int row_blocks = static_cast<int>(ceil_div(m, gemm_rows));
    const int column_blocks = std::min(panels, static_cast<int>(ceil_div(wanted, row_blocks)));
    parallel_for(row_blocks * column_blocks, threads, [&](int task, int slot) {
        const int row_block = task / column_blocks;
        const int column_block = task % column_blocks;
        const int i0 = static_cast<int>(std::int64_t(m) * row_block / row_blocks);
        const int i1 = static_cast<int>(std::int64_t(m) * (row_block + 1) / row_blocks);
        const int j0 = static_cast<int>(std::int64_t(panels) * column_block / column_blocks) * width;
        const int j1 = std::min(s.n, static_cast<int>(std::int64_t(panels) * (column_block + 1) / column_blocks) * width);
        row_->function(GemmLeaf{.a = a + i0 * lda,
                                .b = panels_.data() + std::int64_t(j0) * s.k,
                                .bias = bias_.data() + j0,
                                .c = c + i0 * ldc + j0,
                                .packed_a = scratch.slot<float>(slot),
                                .lda = lda,
                                .ldc = ldc,
                                .m = i1 - i0,
                                .n = j1 - j0,
                                .k = s.k,
                                .activation = s.activation,
                                .alpha = s.alpha});
    });
}

} // namespace gemm
} // namespace fk
