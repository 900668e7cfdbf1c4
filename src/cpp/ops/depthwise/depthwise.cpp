#include "ops/depthwise/depthwise.hpp"

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const DepthwiseLeaf&);                                                                                         \
    }
#include "ops/depthwise/kernels.inc"
#undef FK_KERNEL

namespace depthwise {

namespace {
bool one_filter_a_channel(const Shape& s) { return s.oc == s.c; }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/depthwise/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("depthwise", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/depthwise/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("depthwise", device_rows);
} // namespace

Shape infer(const Params& p) {
    const auto& [n, c, ih, iw] = p.x;
    const auto& [oc, one, kh, kw] = p.w;
    require_values(p.x);
    require(oc >= 1 && oc % c == 0, "w has ", oc, " filters, expected a multiple of the ", c, " channels of x");
    require(one == 1, "w has ", one, " input channels a filter, expected 1: its shape is [", oc, ", ", one, ", ", kh, ", ", kw,
            "]");
    require(p.bias == -1 || p.bias == oc, "b has ", p.bias, " values, expected one for each of the ", oc, " filters");
    WindowParams window = p.window;
    window.size = {kh, kw};
    Shape s{};
    set_window(s, window, ih, iw);
    s.n = checked_int(n, "batch");
    s.c = checked_int(c, "channels");
    s.oc = checked_int(oc, "filters");
    s.activation = p.activation.kind;
    s.alpha = p.activation.alpha;
    return s;
}

Cost cost(const Shape& s) {
    const double outputs = double(s.n) * s.oc * s.oh * s.ow;
    const double window = double(s.kh) * s.kw;
    return {.flops = 2 * outputs * window,
            .bytes_read = 4 * (double(s.n) * s.c * s.ih * s.iw + s.oc * window + s.oc),
            .bytes_written = 4 * outputs,
            .weight_bytes = 4 * (s.oc * window + s.oc)};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("depthwise", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const float* w, const float* bias, int threads, int block)
    : shape_(shape), row_(&choose_row("depthwise", rows, shape, block)),
      threads_(threads_for(static_cast<std::int64_t>(cost(shape).flops), flops_worth_a_thread, threads)),
      bands_(bands_for(shape.n * ceil_div(shape.oc, row_->block), shape.oh, threads_)),
      weights_(round_up(shape.oc, row_->block) * shape.kh * shape.kw), bias_(round_up(shape.oc, row_->block)) {
    const int lanes = row_->block;
    const std::int64_t window = std::int64_t(shape.kh) * shape.kw;
    for (std::int64_t o = 0; o < shape.oc; ++o) {
        float* to = weights_.data() + o / lanes * window * lanes + o % lanes;
        for (std::int64_t k = 0; k < window; ++k) {
            to[k * lanes] = w[o * window + k];
        }
    }
    if (bias != nullptr) {
        std::copy(bias, bias + shape.oc, bias_.data());
    }
}

void Plan::run(const float* x, float* y, const float* residual, int images, Scratch& /*scratch*/) const {
    const Shape& s = shape_;
    const int block = row_->block;
    // With a multiplier the block is 1 and several output planes read one input plane.
    const std::int64_t multiplier = s.oc / s.c;
    const std::int64_t planes = ceil_div(s.oc, block);
    const std::int64_t x_plane = std::int64_t(s.ih) * s.iw * block;
    const std::int64_t y_plane = std::int64_t(s.oh) * s.ow * block;
    parallel_bands(images * planes, s.oh, bands_, threads_, [&](std::int64_t plane, int begin, int end, int) {
        run_plane(x + plane / multiplier * x_plane, plane % planes * block, y + plane * y_plane,
                  residual != nullptr ? residual + plane * y_plane : nullptr, begin, end);
    });
}

void Plan::run_rows(const float* x, int begin, int end, float* y, std::int64_t y_block) const {
    const Shape& s = shape_;
    const std::int64_t block = row_->block;
    const std::int64_t multiplier = s.oc / s.c;
    for (std::int64_t plane = 0; plane < ceil_div(s.oc, block); ++plane) {
        run_plane(x + plane / multiplier * s.ih * s.iw * block, plane * block, y + plane * y_block - begin * s.ow * block,
                  nullptr, begin, end);
    }
}

// Rows [begin, end) of the plane of outputs that begins with filter `channel`; y is where its row 0 stands or would stand.
void Plan::run_plane(const float* x, std::int64_t channel, float* y, const float* residual, int begin, int end) const {
    const Shape& s = shape_;
    row_->function(DepthwiseLeaf{.x = x,
                                 .w = weights_.data() + channel * s.kh * s.kw,
                                 .bias = bias_.data() + channel,
                                 .residual = residual,
                                 .y = y,
                                 .begin = begin,
                                 .end = end,
                                 .channels = static_cast<int>(std::min<std::int64_t>(s.oc - channel, row_->block)),
                                 .ih = s.ih,
                                 .iw = s.iw,
                                 .ow = s.ow,
                                 .kh = s.kh,
                                 .kw = s.kw,
                                 .stride_h = s.stride_h,
                                 .stride_w = s.stride_w,
                                 .pad_top = s.pad_top,
                                 .pad_left = s.pad_left,
                                 .dilation_h = s.dilation_h,
                                 .dilation_w = s.dilation_w,
                                 .activation = s.activation,
                                 .alpha = s.alpha});
}

} // namespace depthwise
} // namespace fk
