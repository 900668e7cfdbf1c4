#include "bind/int8_arguments.hpp"

namespace fk {

std::array<std::int64_t, 4> four_of(const Bytes& x) { return {x.dims[0], x.dims[1], x.dims[2], x.dims[3]}; }

Requantization requantization_in(const py::object& multiplier, const py::object& offset, const std::pair<float, float>& clip) {
    Requantization r;
    r.multiplier = Argument<float>(multiplier, "multiplier", 1, 1).values();
    r.offset = Argument<float>(offset, "offset", 1, 1).values();
    r.low = clip.first;
    r.high = clip.second;
    return r;
}

Quantization quantization_in(const Meaning& meaning) {
    const Quantization q{meaning.first, meaning.second};
    quantize::check_quantization(q);
    return q;
}

conv2d_int8::Shape conv2d_int8_shape_in(const Bytes& x, const Weights8& w, const py::object& stride, const py::object& padding,
                                        const py::object& dilation, std::int64_t groups) {
    conv2d::Params params{};
    params.x = four_of(x);
    params.w = {w.dims[0], w.dims[1], w.dims[2], w.dims[3]};
    params.window.stride = pair_in(stride, "stride");
    params.window.dilation = pair_in(dilation, "dilation");
    params.window.padding = padding_in(padding);
    params.groups = groups;
    return conv2d_int8::infer(params);
}

Argument<std::uint8_t> residual_of(const py::object& residual, const conv2d_int8::Shape& s) {
    Argument<std::uint8_t> given(residual, "residual", 4, 4);
    const std::array<std::int64_t, 4> expected{s.n, s.oc, s.oh, s.ow};
    require(four_of(given.view) == expected, "residual has shape ", given.view.shape(), ", the result [", s.n, ", ", s.oc, ", ",
            s.oh, ", ", s.ow, "]");
    return given;
}

depthwise_int8::Shape depthwise_int8_shape_in(const Bytes& x, const Weights8& w, const py::object& stride,
                                              const py::object& padding, const py::object& dilation) {
    depthwise::Params params{};
    params.x = four_of(x);
    params.w = {w.dims[0], w.dims[1], w.dims[2], w.dims[3]};
    params.window.stride = pair_in(stride, "stride");
    params.window.dilation = pair_in(dilation, "dilation");
    params.window.padding = padding_in(padding);
    return depthwise_int8::infer(params);
}

dense_int8::Shape dense_int8_shape_in(const Bytes& x, const Weights8& w) {
    require(x.rank != 3, "x must have 2 or 4 dimensions, has 3: shape ", x.shape());
    const std::int64_t pixels = x.rank == 4 ? x.dims[2] * x.dims[3] : 1;
    return dense_int8::infer({.x = {x.dims[0], x.dims[1], pixels}, .w = {w.dims[0], w.dims[1]}});
}

pool_int8::Shape pool_int8_shape_in(const Bytes& x, const py::object& size, const py::object& stride, const py::object& padding,
                                    bool average, bool count_include_pad) {
    pool::Params params{.x = four_of(x), .kind = average ? pool_average : pool_max, .count_include_pad = count_include_pad};
    params.window.size = pair_in(size, "size");
    params.window.stride = stride.is_none() ? params.window.size : pair_in(stride, "stride");
    params.window.padding = padding_in(padding);
    return pool_int8::infer(params);
}

} // namespace fk
