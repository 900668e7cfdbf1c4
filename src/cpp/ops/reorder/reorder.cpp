#include "ops/reorder/reorder.hpp"

#include "ops/op.hpp"
#include "ops/reorder/leaf.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, to, from, block)                                                                                    \
    namespace isa {                                                                                                              \
    void to(const ReorderLeaf&);                                                                                                 \
    void from(const ReorderLeaf&);                                                                                               \
    }
#include "ops/reorder/kernels.inc"
#undef FK_KERNEL

namespace reorder {

namespace {

struct KernelRow {
    Isa isa;
    const char* name;
    ReorderKernel function;
    int block;
};
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, to, from, block) {Isa::isa, name, {&isa::to, &isa::from}, block},
#include "ops/reorder/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("reorder", rows);

// The block says the row: a kernel that runs here asked for it.
const KernelRow& row_of(int block) {
    for (const KernelRow& row : rows) {
        if (row.block == block || row.block == 0) {
            return row;
        }
    }
    return rows.back();
}

// kernel(plain, blocked, channels) for every block of channels of every image; a plane takes `pixels` numbers.
template <class Task>
void each_block(std::int64_t n, std::int64_t c, std::int64_t pixels, int block, int threads, const Task& task) {
    const std::int64_t blocks = ceil_div(c, block);
    const int sharing = threads_for(8 * n * c * pixels, bytes_worth_a_thread, threads);
    parallel_for(static_cast<int>(n * blocks), sharing, [&](int index, int) {
        const std::int64_t first = index % blocks * block;
        task(index / blocks, first, static_cast<int>(std::min<std::int64_t>(block, c - first)), index * pixels * block);
    });
}

} // namespace

Served kernel(int block) {
    const KernelRow& row = row_of(block);
    return {row.name, row.isa};
}

void to_blocked(const View<const float>& x, int block, float* y, int threads) {
    const auto [n, c, h, w, unused] = x.dims;
    const auto [sn, sc, sh, sw, unused2] = x.strides;
    const ReorderKernel& kernel = row_of(block).function;
    // A run of pixels that stand side by side in x: the whole plane, a row, or a single pixel.
    const std::int64_t run = sw != 1 && w > 1 ? 1 : sh == w || h == 1 ? h * w : w;
    each_block(n, c, h * w, block, threads,
               [&, c = c, h = h, w = w, sn = sn, sc = sc, sh = sh, sw = sw](std::int64_t image, std::int64_t first, int channels,
                                                                            std::int64_t at) {
                   const float* plane = x.data + image * sn + first * sc;
                   for (std::int64_t p = 0; p < h * w; p += run) {
                       kernel.to_blocked({plane + p / w * sh + p % w * sw, y + at + p * block, run, sc, block, channels, block});
                   }
               });
}

void to_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads) {
    const ReorderKernel& kernel = row_of(block).function;
    each_block(n, c, pixels, block, threads, [&](std::int64_t image, std::int64_t first, int channels, std::int64_t at) {
        kernel.to_blocked({x + (image * c + first) * pixels, y + at, pixels, pixels, block, channels, block});
    });
}

void from_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads) {
    const ReorderKernel& kernel = row_of(block).function;
    each_block(n, c, pixels, block, threads, [&](std::int64_t image, std::int64_t first, int channels, std::int64_t at) {
        kernel.from_blocked({x + at, y + (image * c + first) * pixels, pixels, pixels, block, channels, block});
    });
}

void side_by_side(const float* x, std::int64_t plane, int channels, std::int64_t pixels, int block, float* y, std::int64_t step) {
    row_of(block).function.to_blocked({x, y, pixels, plane, step, channels, block});
}

} // namespace reorder
} // namespace fk
