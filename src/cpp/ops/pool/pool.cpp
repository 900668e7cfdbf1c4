#include "ops/pool/pool.hpp"

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const PoolLeaf&);                                                                                              \
    }
#include "ops/pool/kernels.inc"
#undef FK_KERNEL

namespace pool {

namespace {
static_assert(FK_POOL_MAX == int(pool_max) && FK_POOL_AVERAGE == int(pool_average) && FK_POOL_L2 == int(pool_l2));

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/pool/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("pool", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/pool/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("pool", device_rows);

void require_cells(const WindowParams& w) {
    const auto& p = w.padding.sides;
    require(w.padding.kind != Padding::Kind::explicit_ || (std::max(p[0], p[1]) < w.size[0] && std::max(p[2], p[3]) < w.size[1]),
            "padding (", p[0], ", ", p[1], ", ", p[2], ", ", p[3], ") must be smaller than the window (", w.size[0], ", ",
            w.size[1], "), else a window lies outside the image");
}
} // namespace

Shape infer(const Params& p) {
    const auto& [n, c, ih, iw] = p.x;
    require_values(p.x);
    require(p.window.dilation[0] == 1 && p.window.dilation[1] == 1, "pooling windows have no dilation");
    Shape s{};
    set_window(s, p.window, ih, iw);
    require_cells(p.window);
    s.n = checked_int(n, "batch");
    s.c = checked_int(c, "channels");
    s.kind = p.kind;
    s.count_include_pad = p.count_include_pad ? 1 : 0;
    return s;
}

Cost cost(const Shape& s) {
    const double outputs = double(s.n) * s.c * s.oh * s.ow;
    return {.flops = outputs * s.kh * s.kw * (s.kind == pool_l2 ? 2 : 1),
            .bytes_read = 4 * double(s.n) * s.c * s.ih * s.iw,
            .bytes_written = 4 * outputs};
}

PoolWindow window_of(const Shape& s) {
    const int inner = static_cast<int>(std::min<std::int64_t>(s.ow, ceil_div(s.pad_left, s.stride_w)));
    const std::int64_t room = std::int64_t(s.iw) + s.pad_left - s.kw;
    const std::int64_t outer = room < 0 ? 0 : std::min<std::int64_t>(s.ow, room / s.stride_w + 1);
    return {.ih = s.ih,
            .iw = s.iw,
            .ow = s.ow,
            .kh = s.kh,
            .kw = s.kw,
            .stride_h = s.stride_h,
            .stride_w = s.stride_w,
            .pad_top = s.pad_top,
            .pad_left = s.pad_left,
            .inner = inner,
            .outer = std::max(inner, static_cast<int>(outer))};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("pool", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads, int block)
    : shape_(shape), row_(&choose_row("pool", rows, shape, block)),
      threads_(threads_for(static_cast<std::int64_t>(cost(shape).bytes_read), bytes_worth_a_thread, threads)),
      bands_(bands_for(shape.n * ceil_div(shape.c, row_->block), shape.oh, threads_)) {}

void Plan::run(const float* x, float* y, int images, Scratch& /*scratch*/) const {
    const Shape& s = shape_;
    const std::int64_t planes = ceil_div(s.c, row_->block);
    const std::int64_t x_plane = std::int64_t(s.ih) * s.iw * row_->block;
    const std::int64_t y_plane = std::int64_t(s.oh) * s.ow * row_->block;
    parallel_bands(images * planes, s.oh, bands_, threads_, [&](std::int64_t plane, int begin, int end, int) {
        row_->function(PoolLeaf{.x = x + plane * x_plane,
                                .y = y + plane * y_plane,
                                .begin = begin,
                                .end = end,
                                .window = window_of(s),
                                .kind = s.kind,
                                .count_include_pad = s.count_include_pad});
    });
}

} // namespace pool
} // namespace fk
