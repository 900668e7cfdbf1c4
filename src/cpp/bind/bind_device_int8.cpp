// What the host side of a device is told about layers on bytes: shapes, judged as for the processor.
#include <pybind11/stl.h>

#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/int8_arguments.hpp"
#include "ops/dims.hpp"

namespace fk {

namespace {

using Clip = std::pair<float, float>;

py::array conv2d_int8_shape(const py::object& x, const py::object& w, const py::object& multiplier, const py::object& offset,
                            int zero_point, const py::object& stride, const py::object& padding, const py::object& dilation,
                            std::int64_t groups, const Clip& clip, const py::object& residual, float residual_multiplier) {
    const Argument<std::uint8_t> image(x, "x", 4, 4);
    const Argument<std::int8_t> weights(w, "w", 4, 4);
    const conv2d_int8::Shape shape = conv2d_int8_shape_in(image.view, weights.view, stride, padding, dilation, groups);
    Requantization r = requantization_in(multiplier, offset, clip);
    r.residual_multiplier = residual_multiplier;
    if (!residual.is_none()) {
        residual_of(residual, shape);
    }
    return shape_record(conv2d_int8::device_shape(shape, zero_point, r));
}

py::array depthwise_int8_shape(const py::object& x, const py::object& w, const py::object& multiplier, const py::object& offset,
                               int zero_point, const py::object& stride, const py::object& padding, const py::object& dilation,
                               const Clip& clip) {
    const Argument<std::uint8_t> image(x, "x", 4, 4);
    const Argument<std::int8_t> weights(w, "w", 4, 4);
    const depthwise_int8::Shape shape = depthwise_int8_shape_in(image.view, weights.view, stride, padding, dilation);
    return shape_record(depthwise_int8::device_shape(shape, zero_point, requantization_in(multiplier, offset, clip)));
}

py::array dense_int8_shape(const py::object& x, const py::object& w, const py::object& multiplier, const py::object& offset,
                           int zero_point, const Clip& clip, bool floats) {
    const Argument<std::uint8_t> image(x, "x", 2, 4);
    const Argument<std::int8_t> weights(w, "w", 2, 2);
    const dense_int8::Shape shape = dense_int8_shape_in(image.view, weights.view);
    return shape_record(dense_int8::device_shape(shape, zero_point, requantization_in(multiplier, offset, clip),
                                                 floats ? dense_int8::Result::floats : dense_int8::Result::bytes));
}

py::array pool_int8_shape(const py::object& x, const py::object& size, const py::object& stride, const py::object& padding,
                          bool average, bool count_include_pad, const Meaning& x_means, const Meaning& y_means) {
    const Argument<std::uint8_t> image(x, "x", 4, 4);
    const pool_int8::Shape shape = pool_int8_shape_in(image.view, size, stride, padding, average, count_include_pad);
    return shape_record(pool_int8::device_shape(shape, quantization_in(x_means), quantization_in(y_means)));
}

// For `count` bytes.
py::array add_int8_shape(std::int64_t count, const Meaning& x1_means, const Meaning& x2_means, const Meaning& y_means,
                         const Clip& clip) {
    return shape_record(add_int8::device_shape({.count = round_up(count, byte_block),
                                                .a = quantization_in(x1_means),
                                                .b = quantization_in(x2_means),
                                                .y = quantization_in(y_means),
                                                .low = clip.first,
                                                .high = clip.second},
                                               1));
}

py::array lookup_int8_shape(std::int64_t count) {
    return shape_record(lookup_int8::device_shape({round_up(count, byte_block)}, 1));
}

// One for each piece.
std::vector<py::array> concat_int8_shapes(const std::vector<py::object>& xs) {
    concat::Params params;
    for (std::size_t i = 0; i < xs.size(); ++i) {
        params.x.push_back(four_of(Argument<std::uint8_t>(xs[i], message("xs[", i, "]").c_str(), 4, 4).view));
    }
    const concat::Shape shape = concat::infer(params);
    std::vector<py::array> pieces;
    pieces.reserve(xs.size());
    for (std::size_t i = 0; i < xs.size(); ++i) {
        pieces.push_back(shape_record(concat_int8::device_shape(shape, static_cast<int>(i))));
    }
    return pieces;
}

// Of x [n, c, h, w]: float32, or bytes with to_floats.
py::array quantize_shape(const std::array<std::int64_t, 4>& x, const Meaning& means, bool to_floats) {
    const auto [n, c, h, w] = x;
    require(n * c * h * w > 0, "x must hold at least one value, its shape is [", n, ", ", c, ", ", h, ", ", w, "]");
    return shape_record(quantize::device_shape({.channels = c, .pixels = h * w, .block = 1}, quantization_in(means),
                                               checked_int(n, "batch"), to_floats));
}

void add_ops() {
    PYBIND11_NUMPY_DTYPE(fk_conv2d_int8_shape, n, ic, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left,
                         dilation_h, dilation_w, groups, zero_point, residual_multiplier, low, high);
    PYBIND11_NUMPY_DTYPE(fk_dense_int8_shape, n, channels, pixels, out, floats, zero_point, low, high);
    PYBIND11_NUMPY_DTYPE(fk_pool_int8_shape, n, c, ih, iw, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left, average,
                         count_include_pad, x_zero, ratio, y_zero);
    PYBIND11_NUMPY_DTYPE(fk_add_int8_shape, n, size, x1_factor, x2_factor, offset, low, high);
    PYBIND11_NUMPY_DTYPE(fk_lookup_int8_shape, n, size);
    PYBIND11_NUMPY_DTYPE(fk_concat_int8_shape, n, pixels, c, channels, first);
    PYBIND11_NUMPY_DTYPE(fk_quantize_shape, n, channels, pixels, to_floats, zero_point, scale, inverse);
    add_device_op<fk_conv2d_int8_shape>("conv2d_int8", &conv2d_int8::choose_device_kernel, &conv2d_int8::device_cost);
    add_device_op<fk_conv2d_int8_shape>("depthwise_int8", &depthwise_int8::choose_device_kernel, &depthwise_int8::device_cost);
    add_device_op<fk_dense_int8_shape>("dense_int8", &dense_int8::choose_device_kernel, &dense_int8::device_cost);
    add_device_op<fk_pool_int8_shape>("pool_int8", &pool_int8::choose_device_kernel, &pool_int8::device_cost);
    add_device_op<fk_add_int8_shape>("add_int8", &add_int8::choose_device_kernel, &add_int8::device_cost);
    add_device_op<fk_lookup_int8_shape>("lookup_int8", &lookup_int8::choose_device_kernel, &lookup_int8::device_cost);
    add_device_op<fk_concat_int8_shape>("concat_int8", &concat_int8::choose_device_kernel, &concat_int8::device_cost);
    add_device_op<fk_quantize_shape>("quantize", &quantize::choose_device_kernel, &quantize::device_cost);
}

} // namespace

void bind_device_int8(py::module_& m) {
    add_ops();
    m.def("conv2d_int8_shape", &conv2d_int8_shape, py::arg("x"), py::arg("w"), py::arg("multiplier"), py::arg("offset"),
          py::arg("zero_point"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::arg("clip"),
          py::arg("residual"), py::arg("residual_multiplier"));
    m.def("depthwise_int8_shape", &depthwise_int8_shape, py::arg("x"), py::arg("w"), py::arg("multiplier"), py::arg("offset"),
          py::arg("zero_point"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("clip"));
    m.def("dense_int8_shape", &dense_int8_shape, py::arg("x"), py::arg("w"), py::arg("multiplier"), py::arg("offset"),
          py::arg("zero_point"), py::arg("clip"), py::arg("floats"));
    m.def("pool_int8_shape", &pool_int8_shape, py::arg("x"), py::arg("size"), py::arg("stride"), py::arg("padding"),
          py::arg("average"), py::arg("count_include_pad"), py::arg("x_means"), py::arg("y_means"));
    m.def("add_int8_shape", &add_int8_shape, py::arg("count"), py::arg("x1_means"), py::arg("x2_means"), py::arg("y_means"),
          py::arg("clip"));
    m.def("lookup_int8_shape", &lookup_int8_shape, py::arg("count"));
    m.def("concat_int8_shapes", &concat_int8_shapes, py::arg("xs"));
    m.def("quantize_shape", &quantize_shape, py::arg("x"), py::arg("means"), py::arg("to_floats"));
}

} // namespace fk
