#include "ops/global_pool/global_pool.hpp"

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const GlobalPoolLeaf&);                                                                                        \
    }
#include "ops/global_pool/kernels.inc"
#undef FK_KERNEL

namespace global_pool {

namespace {
static_assert(FK_GLOBAL_POOL_MAX == int(global_pool_max) && FK_GLOBAL_POOL_AVERAGE == int(global_pool_average));

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/global_pool/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("global_pool", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/global_pool/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("global_pool", device_rows);
} // namespace

Shape infer(const Params& p) {
    const auto& [n, c, ih, iw] = p.x;
    require_values(p.x);
    return {.n = checked_int(n, "batch"),
            .c = checked_int(c, "channels"),
            .ih = checked_int(ih, "input height"),
            .iw = checked_int(iw, "input width"),
            .kind = p.kind};
}

Cost cost(const Shape& s) {
    const double inputs = double(s.n) * s.c * s.ih * s.iw;
    return {.flops = inputs, .bytes_read = 4 * inputs, .bytes_written = 4 * double(s.n) * s.c};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("global_pool", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads, int block)
    : shape_(shape), row_(&choose_row("global_pool", rows, shape, block)),
      // It only reads, and what the layer before has just written: 7 x 7 x 2,048 is done sooner than a thread is awake.
      threads_(threads_for(static_cast<std::int64_t>(cost(shape).bytes_read), 4 * bytes_worth_a_thread, threads)) {}

void Plan::run(const float* x, float* y, int images, Scratch& /*scratch*/) const {
    const Shape& s = shape_;
    const int block = row_->block;
    const int planes = static_cast<int>(ceil_div(s.c, block));
    const std::int64_t pixels = std::int64_t(s.ih) * s.iw;
    parallel_for(images * planes, threads_, [&](int task, int) {
        const std::int64_t image = task / planes;
        const int first = task % planes * block;
        row_->function(GlobalPoolLeaf{.x = x + task * pixels * block,
                                      .y = y + image * s.c + first,
                                      .pixels = pixels,
                                      .lanes = std::min(block, s.c - first),
                                      .kind = s.kind});
    });
}

} // namespace global_pool
} // namespace fk
