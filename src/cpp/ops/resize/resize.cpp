#include "ops/resize/resize.hpp"

#include <algorithm>
#include <cmath>

#include "base/threads.hpp"
#include "ops/dims.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const ResizeLeaf&);                                                                                            \
    }
#include "ops/resize/kernels.inc"
#undef FK_KERNEL

namespace resize {

namespace {

// Where many columns become one, neighbours on a device should read neighbouring pixels: down the columns first.
bool many_to_one(const Shape& s) { return s.method == FK_RESIZE_AREA && s.iw >= 4 * std::int64_t(s.ow); }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/resize/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("resize", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/resize/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("resize", device_rows);

// Sums of a piece: half of a first-level cache of 32 KiB.
constexpr std::int64_t strip_elements = 4096;
constexpr std::int64_t elements_per_task = 64 * 1024;
} // namespace

Method method_from_name(const std::string& name) {
    require(name == "area" || name == "bilinear", "unknown method '", name, "'; known: area, bilinear");
    return name == "area" ? Method::area : Method::bilinear;
}

Shape infer(const Params& p) {
    const auto& [height, width, channels] = p.x;
    require_picture(p.x, p.height, p.width);
    return {.ih = static_cast<int>(height),
            .iw = static_cast<int>(width),
            .channels = static_cast<int>(channels),
            .oh = static_cast<int>(p.height),
            .ow = static_cast<int>(p.width),
            .method = static_cast<int>(p.method),
            .is_float = p.is_float ? 1 : 0};
}

Cost cost(const Shape& s) {
    const double size = s.is_float != 0 ? 4 : 1;
    const double in = double(s.ih) * s.iw * s.channels;
    const double out = double(s.oh) * s.ow * s.channels;
    const double rows_read = s.method == FK_RESIZE_AREA ? std::max(s.ih, s.oh) : 2.0 * s.oh;
    const double columns_read = s.method == FK_RESIZE_AREA ? std::max(s.iw, s.ow) : 2.0 * s.ow;
    return {
        .flops = 2 * s.channels * (rows_read * s.iw + s.oh * columns_read), .bytes_read = size * in, .bytes_written = size * out};
}

Taps::Taps(Method method, std::int64_t in, std::int64_t out, int channels)
    : first(out * channels), count(out * channels), head(out * channels), tail(out * channels),
      scale(method == Method::area ? double(in) / double(out) : 1.0) {
    for (std::int64_t j = 0; j < out; ++j) {
        std::int64_t begin = 0;
        int taps = 1;
        double head_weight = 1;
        double tail_weight = 0;
        if (method == Method::area) {
            // In units of 1 / out source pixels everything is an integer.
            const std::int64_t from = j * in;
            const std::int64_t to = from + in;
            begin = from / out;
            const std::int64_t last = (to - 1) / out;
            taps = static_cast<int>(last - begin + 1);
            head_weight = double(std::min((begin + 1) * out, to) - from) / double(out);
            tail_weight = double(to - last * out) / double(out);
        } else {
            const double centre = (double(j) + 0.5) * double(in) / double(out) - 0.5;
            const double at = std::clamp(centre, 0.0, double(in - 1));
            begin = static_cast<std::int64_t>(at);
            tail_weight = at - double(begin);
            head_weight = 1 - tail_weight;
            taps = static_cast<float>(tail_weight) > 0 ? 2 : 1;
        }
        most = std::max(most, taps);
        for (int c = 0; c < channels; ++c) {
            const std::int64_t e = j * channels + c;
            first[e] = static_cast<std::int32_t>(begin * channels + c);
            count[e] = taps;
            head[e] = static_cast<float>(head_weight);
            tail[e] = static_cast<float>(tail_weight);
        }
    }
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("resize", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads)
    : shape_(shape), row_(&choose_row("resize", rows, shape)), threads_(threads),
      rows_(static_cast<Method>(shape.method), shape.ih, shape.oh, 1),
      columns_(static_cast<Method>(shape.method), shape.iw, shape.ow, shape.channels) {
    divide_work();
}

void Plan::divide_work() {
    const Shape& s = shape_;
    const double source_for_output = double(s.iw) / s.ow * s.channels;
    strip_ = static_cast<int>(std::clamp<double>(strip_elements / source_for_output, 1, s.ow));
    const double row_work = std::max<double>(s.iw, s.ow) * s.channels * std::max(1.0, double(s.ih) / s.oh);
    rows_per_task_ = static_cast<int>(std::clamp<double>(elements_per_task / row_work, 1, s.oh));
    std::int64_t widest = 0;
    for (int j = 0; j < s.ow; j += strip_) {
        const std::int64_t begin = std::int64_t(j) * s.channels;
        const std::int64_t last = (std::min<std::int64_t>(s.ow, j + strip_) - 1) * s.channels;
        widest = std::max<std::int64_t>(widest, columns_.first[last] - columns_.first[begin] +
                                                    std::int64_t(columns_.count[last]) * s.channels);
    }
    booking_.book(widest * 4);
}

template <class T> void Plan::run(const View<const T>& x, T* y, Scratch& scratch) const {
    const Shape& s = shape_;
    const std::int64_t c = s.channels;
    parallel_for(static_cast<int>(ceil_div(s.oh, rows_per_task_)), threads_, [&](int task, int slot) {
        const int begin = task * rows_per_task_;
        const int end = std::min(s.oh, begin + rows_per_task_);
        for (int i = begin; i < end; ++i) {
            for (int j = 0; j < s.ow; j += strip_) {
                const std::int64_t from = j * c;
                const std::int64_t to = std::min<std::int64_t>(s.ow, j + strip_) * c;
                const std::int32_t origin = columns_.first[from];
                const std::int64_t span = columns_.first[to - c] - origin + columns_.count[to - c] * c;
                row_->function(ResizeLeaf{.x = x.data + rows_.first[i] * x.strides[0] + origin / c * x.strides[1],
                                          .is_float = s.is_float,
                                          .channels = s.channels,
                                          .x_row = x.strides[0],
                                          .x_pixel = x.strides[1],
                                          .x_channel = x.strides[2],
                                          .rows = rows_.count[i],
                                          .row_head = rows_.head[i],
                                          .row_tail = rows_.tail[i],
                                          .span = static_cast<int>(span),
                                          .sums = scratch.slot<float>(slot),
                                          .tap = columns_.first.data() + from,
                                          .tap_origin = origin,
                                          .taps = columns_.count.data() + from,
                                          .head = columns_.head.data() + from,
                                          .tail = columns_.tail.data() + from,
                                          .most_taps = columns_.most,
                                          .outputs = static_cast<int>(to - from),
                                          .divisor = static_cast<float>(rows_.scale * columns_.scale),
                                          .y = y + (std::int64_t(i) * s.ow + j) * c});
            }
        }
    });
}

template void Plan::run(const View<const std::uint8_t>& x, std::uint8_t* y, Scratch& scratch) const;
template void Plan::run(const View<const float>& x, float* y, Scratch& scratch) const;

} // namespace resize
} // namespace fk
