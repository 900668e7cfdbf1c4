#include "ops/pool_int8/pool_int8.hpp"

#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const PoolInt8Leaf&);                                                                                          \
    }
#include "ops/pool_int8/kernels.inc"
#undef FK_KERNEL

namespace pool_int8 {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/pool_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("pool_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_pool_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/pool_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("pool_int8", device_rows);
} // namespace

Shape infer(const pool::Params& p) {
    const Shape s = pool::infer(p);
    require(s.kind == pool_max || s.kind == pool_average, "bytes are pooled by maximum or average alone");
    require(double(s.kh) * s.kw <= (1 << 23), "a window of ", s.kh, " x ", s.kw, " bytes may leave int32; at most ", 1 << 23,
            " are served");
    return s;
}

Cost cost(const Shape& s) {
    const Cost floats = pool::cost(s);
    return {.flops = floats.flops, .bytes_read = floats.bytes_read / 4, .bytes_written = floats.bytes_written / 4};
}

fk_pool_int8_shape device_shape(const Shape& s, const Quantization& x, const Quantization& y) {
    return {.n = s.n,
            .c = s.c,
            .ih = s.ih,
            .iw = s.iw,
            .oh = s.oh,
            .ow = s.ow,
            .kh = s.kh,
            .kw = s.kw,
            .stride_h = s.stride_h,
            .stride_w = s.stride_w,
            .pad_top = s.pad_top,
            .pad_left = s.pad_left,
            .average = s.kind == pool_average ? 1 : 0,
            .count_include_pad = s.count_include_pad,
            .x_zero = x.zero_point,
            .ratio = s.kind == pool_average ? x.scale / y.scale : 1.0F,
            .y_zero = static_cast<float>(y.zero_point)};
}

Cost device_cost(const fk_pool_int8_shape& s) {
    const double outputs = double(s.n) * s.c * s.oh * s.ow;
    return {.flops = outputs * s.kh * s.kw, .bytes_read = double(s.n) * s.c * s.ih * s.iw, .bytes_written = outputs};
}

const DeviceRow<fk_pool_int8_shape>& choose_device_kernel(const fk_pool_int8_shape& shape, std::string_view target) {
    return choose_device_row("pool_int8", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const Quantization& x, const Quantization& y, int threads)
    : shape_(shape), row_(&choose_row("pool_int8", rows, shape)), x_(x), y_(y),
      threads_(threads_for(static_cast<std::int64_t>(pool_int8::cost(shape).bytes_read), bytes_worth_a_thread, threads)),
      bands_(bands_for(shape.n * ceil_div(shape.c, byte_block), shape.oh, threads_)) {}

void Plan::run(const std::uint8_t* x, std::uint8_t* y, int images) const {
    const Shape& s = shape_;
    const std::int64_t planes = ceil_div(s.c, byte_block);
    const std::int64_t x_plane = std::int64_t(s.ih) * s.iw * byte_block;
    const std::int64_t y_plane = std::int64_t(s.oh) * s.ow * byte_block;
    const float ratio = s.kind == pool_average ? x_.scale / y_.scale : 1.0F;
    parallel_bands(images * planes, s.oh, bands_, threads_, [&](std::int64_t plane, int begin, int end, int) {
        row_->function(PoolInt8Leaf{.x = x + plane * x_plane,
                                    .y = y + plane * y_plane,
                                    .begin = begin,
                                    .end = end,
                                    .ih = s.ih,
                                    .iw = s.iw,
                                    .ow = s.ow,
                                    .kh = s.kh,
                                    .kw = s.kw,
                                    .stride_h = s.stride_h,
                                    .stride_w = s.stride_w,
                                    .pad_top = s.pad_top,
                                    .pad_left = s.pad_left,
                                    .average = s.kind == pool_average ? 1 : 0,
                                    .count_include_pad = s.count_include_pad,
                                    .x_zero = x_.zero_point,
                                    .ratio = ratio,
                                    .y_zero = static_cast<float>(y_.zero_point)});
    });
}

} // namespace pool_int8
} // namespace fk
