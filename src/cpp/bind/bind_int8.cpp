// Layers on bytes. Arrays are plain NCHW here and blocked inside.

#include <pybind11/stl.h>

#include <algorithm>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/int8_arguments.hpp"
#include "ops/reorder/reorder.hpp"

namespace fk {

namespace {

std::int64_t blocked_place(std::int64_t c, std::int64_t p, std::int64_t pixels) {
    return (c / byte_block * pixels + p) * byte_block + c % byte_block;
}

// x [n, c, h, w] (or [n, c]) in blocks of 16 channels; lanes past the last hold 77, which nobody may make anything of.
Tensor<std::uint8_t> to_blocked(const Bytes& x) {
    const std::int64_t n = x.dims[0];
    const std::int64_t c = x.dims[1];
    const std::int64_t h = x.rank == 4 ? x.dims[2] : 1;
    const std::int64_t w = x.rank == 4 ? x.dims[3] : 1;
    const std::int64_t image = round_up(c, byte_block) * h * w;
    Tensor<std::uint8_t> y(n * image);
    std::fill(y.data(), y.data() + y.size(), std::uint8_t{77});
    for (std::int64_t i = 0; i < n * c * h * w; ++i) {
        const std::int64_t column = i % w;
        const std::int64_t row = i / w % h;
        const std::int64_t channel = i / (w * h) % c;
        const std::int64_t batch = i / (w * h * c);
        y[batch * image + blocked_place(channel, row * w + column, h * w)] =
            x.data[batch * x.strides[0] + channel * x.strides[1] + row * x.strides[2] + column * x.strides[3]];
    }
    return y;
}

void from_blocked(const Tensor<std::uint8_t>& x, std::int64_t n, std::int64_t c, std::int64_t pixels, std::uint8_t* y) {
    for (std::int64_t i = 0; i < n * c * pixels; ++i) {
        const std::int64_t channel = i / pixels % c;
        y[i] = x[i / (pixels * c) * round_up(c, byte_block) * pixels + blocked_place(channel, i % pixels, pixels)];
    }
}

template <class Shape> std::vector<py::ssize_t> result_shape(const Shape& s) { return {s.n, s.oc, s.oh, s.ow}; }

py::array_t<std::uint8_t> conv2d_int8_call(const py::object& x_in, const py::object& w_in, const py::object& multiplier,
                                           const py::object& offset, int zero_point, const py::object& stride,
                                           const py::object& padding, const py::object& dilation, std::int64_t groups,
                                           const std::pair<float, float>& clip, const py::object& residual_in,
                                           float residual_multiplier, bool planar) {
    Argument<std::uint8_t> x(x_in, "x", 4, 4);
    Argument<std::int8_t> w(w_in, "w", 4, 4);
    const conv2d_int8::Shape shape = conv2d_int8_shape_in(x.view, w.view, stride, padding, dilation, groups);
    Requantization r = requantization_in(multiplier, offset, clip);
    r.residual_multiplier = residual_multiplier;
    Tensor<std::uint8_t> residual;
    if (!residual_in.is_none()) {
        residual = to_blocked(residual_of(residual_in, shape).view);
    }
    py::array_t<std::uint8_t> y(result_shape(shape));
    std::uint8_t* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const conv2d_int8::Plan plan(shape, w.dense(), zero_point, r, planar, threads);
    const Tensor<std::uint8_t> blocked_x = planar ? Tensor<std::uint8_t>() : to_blocked(x.view);
    const std::int64_t pixels = std::int64_t(shape.oh) * shape.ow;
    Tensor<std::uint8_t> blocked_y(shape.n * round_up(shape.oc, byte_block) * pixels);
    Scratch scratch(plan.scratch(), threads);
    plan.run(planar ? x.dense() : blocked_x.data(), blocked_y.data(), residual.data(), shape.n, scratch);
    from_blocked(blocked_y, shape.n, shape.oc, pixels, to);
    return y;
}

py::array_t<std::uint8_t> depthwise_int8_call(const py::object& x_in, const py::object& w_in, const py::object& multiplier,
                                              const py::object& offset, int zero_point, const py::object& stride,
                                              const py::object& padding, const py::object& dilation,
                                              const std::pair<float, float>& clip) {
    Argument<std::uint8_t> x(x_in, "x", 4, 4);
    Argument<std::int8_t> w(w_in, "w", 4, 4);
    const depthwise_int8::Shape shape = depthwise_int8_shape_in(x.view, w.view, stride, padding, dilation);
    const Requantization r = requantization_in(multiplier, offset, clip);
    py::array_t<std::uint8_t> y(result_shape(shape));
    std::uint8_t* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const depthwise_int8::Plan plan(shape, w.dense(), zero_point, r, threads);
    const std::int64_t pixels = std::int64_t(shape.oh) * shape.ow;
    Tensor<std::uint8_t> blocked_y(shape.n * round_up(shape.oc, byte_block) * pixels);
    Scratch scratch(plan.scratch(), threads);
    plan.run(to_blocked(x.view).data(), blocked_y.data(), shape.n, scratch);
    from_blocked(blocked_y, shape.n, shape.oc, pixels, to);
    return y;
}

py::object dense_int8_call(const py::object& x_in, const py::object& w_in, const py::object& multiplier, const py::object& offset,
                           int zero_point, const std::pair<float, float>& clip, bool floats) {
    Argument<std::uint8_t> x(x_in, "x", 2, 4);
    Argument<std::int8_t> w(w_in, "w", 2, 2);
    const dense_int8::Shape shape = dense_int8_shape_in(x.view, w.view);
    const Requantization r = requantization_in(multiplier, offset, clip);
    const dense_int8::Plan plan(shape, w.dense(), zero_point, r, floats ? dense_int8::Result::floats : dense_int8::Result::bytes,
                                chosen_threads());
    const Tensor<std::uint8_t> blocked_x = to_blocked(x.view);
    const std::vector<py::ssize_t> dims{shape.n, shape.out};
    if (floats) {
        py::array_t<float> y(dims);
        plan.run(blocked_x.data(), y.mutable_data(), shape.n);
        return y;
    }
    py::array_t<std::uint8_t> y(dims);
    Tensor<std::uint8_t> blocked_y(shape.n * round_up(shape.out, byte_block));
    plan.run(blocked_x.data(), blocked_y.data(), shape.n);
    from_blocked(blocked_y, shape.n, shape.out, 1, y.mutable_data());
    return y;
}

py::array_t<std::uint8_t> pool_int8_call(const py::object& x_in, const py::object& size, const py::object& stride,
                                         const py::object& padding, bool average, bool count_include_pad, const Meaning& x_means,
                                         const Meaning& y_means) {
    const Argument<std::uint8_t> x(x_in, "x", 4, 4);
    const pool_int8::Shape shape = pool_int8_shape_in(x.view, size, stride, padding, average, count_include_pad);
    const pool_int8::Plan plan(shape, quantization_in(x_means), quantization_in(y_means), chosen_threads());
    py::array_t<std::uint8_t> y({shape.n, shape.c, shape.oh, shape.ow});
    const std::int64_t pixels = std::int64_t(shape.oh) * shape.ow;
    Tensor<std::uint8_t> blocked_y(shape.n * round_up(shape.c, byte_block) * pixels);
    plan.run(to_blocked(x.view).data(), blocked_y.data(), shape.n);
    from_blocked(blocked_y, shape.n, shape.c, pixels, y.mutable_data());
    return y;
}

// A run of bytes of any shape, in whole blocks.
Tensor<std::uint8_t> whole_blocks(Argument<std::uint8_t>& x) {
    Tensor<std::uint8_t> all(round_up(x.view.size(), byte_block));
    std::copy(x.dense(), x.dense() + x.view.size(), all.data());
    return all;
}

py::array_t<std::uint8_t> like(const Argument<std::uint8_t>& x, const Tensor<std::uint8_t>& values) {
    const std::vector<py::ssize_t> dims(x.view.dims.begin(), x.view.dims.begin() + x.view.rank);
    py::array_t<std::uint8_t> y(dims);
    std::copy(values.data(), values.data() + x.view.size(), y.mutable_data());
    return y;
}

py::array_t<std::uint8_t> add_int8_call(const py::object& a_in, const py::object& b_in, const Meaning& a_means,
                                        const Meaning& b_means, const Meaning& y_means, const std::pair<float, float>& clip) {
    Argument<std::uint8_t> a(a_in, "x1", 1, 4);
    Argument<std::uint8_t> b(b_in, "x2", 1, 4);
    require(a.view.shape() == b.view.shape(), "x1 has shape ", a.view.shape(), ", x2 ", b.view.shape());
    require(a.view.size() > 0, "x1 must hold at least one value, its shape is ", a.view.shape());
    Tensor<std::uint8_t> whole_a = whole_blocks(a);
    const add_int8::Plan plan({.count = whole_a.size(),
                               .a = quantization_in(a_means),
                               .b = quantization_in(b_means),
                               .y = quantization_in(y_means),
                               .low = clip.first,
                               .high = clip.second},
                              chosen_threads());
    Tensor<std::uint8_t> y(whole_a.size());
    plan.run(whole_a.data(), whole_blocks(b).data(), y.data(), 1);
    return like(a, y);
}

py::array_t<std::uint8_t> lookup_int8_call(const py::object& x_in, const py::object& table_in) {
    Argument<std::uint8_t> x(x_in, "x", 1, 4);
    Argument<std::uint8_t> table(table_in, "table", 1, 1);
    require(table.view.size() == 256, "table has ", table.view.size(), " values, expected 256");
    require(x.view.size() > 0, "x must hold at least one value, its shape is ", x.view.shape());
    lookup_int8::Table values{};
    std::copy(table.dense(), table.dense() + 256, values.begin());
    const Tensor<std::uint8_t> whole = whole_blocks(x);
    const lookup_int8::Plan plan({whole.size()}, values, chosen_threads());
    Tensor<std::uint8_t> y(whole.size());
    plan.run(whole.data(), y.data(), 1);
    return like(x, y);
}

py::array_t<std::uint8_t> concat_int8_call(const std::vector<py::object>& xs) {
    concat::Params params;
    std::vector<Tensor<std::uint8_t>> blocked;
    for (std::size_t i = 0; i < xs.size(); ++i) {
        const Argument<std::uint8_t> x(xs[i], message("xs[", i, "]").c_str(), 4, 4);
        params.x.push_back(four_of(x.view));
        blocked.push_back(to_blocked(x.view));
    }
    const concat::Shape shape = concat::infer(params);
    const concat_int8::Plan plan(shape, chosen_threads());
    const std::int64_t pixels = std::int64_t(shape.ih) * shape.iw;
    Tensor<std::uint8_t> y(shape.n * round_up(shape.c, byte_block) * pixels);
    for (std::size_t i = 0; i < blocked.size(); ++i) {
        plan.run(static_cast<int>(i), blocked[i].data(), y.data(), shape.n);
    }
    py::array_t<std::uint8_t> out({shape.n, shape.c, shape.ih, shape.iw});
    from_blocked(y, shape.n, shape.c, pixels, out.mutable_data());
    return out;
}

// x [n, c, h, w] float32 -> bytes, through floats in blocks of `block` (0: plain on both sides).
py::array_t<std::uint8_t> quantize_call(const py::object& x_in, const Meaning& means, int block) {
    Argument<float> x(x_in, "x", 4, 4);
    const auto& [n, c, h, w, unused] = x.view.dims;
    require(x.view.size() > 0, "x must hold at least one value, its shape is ", x.view.shape());
    const quantize::Plan plan({.channels = c, .pixels = h * w, .block = block}, quantization_in(means), chosen_threads());
    py::array_t<std::uint8_t> y({n, c, h, w});
    if (block == 0) {
        plan.to_bytes(x.dense(), y.mutable_data(), static_cast<int>(n));
        return y;
    }
    Tensor<float> floats(n * round_up(c, block) * h * w);
    reorder::to_blocked(x.view, block, floats.data(), 1);
    Tensor<std::uint8_t> bytes(n * round_up(c, byte_block) * h * w);
    plan.to_bytes(floats.data(), bytes.data(), static_cast<int>(n));
    from_blocked(bytes, n, c, h * w, y.mutable_data());
    return y;
}

py::array_t<float> dequantize_call(const py::object& x_in, const Meaning& means, int block) {
    Argument<std::uint8_t> x(x_in, "x", 4, 4);
    const auto& [n, c, h, w, unused] = x.view.dims;
    require(x.view.size() > 0, "x must hold at least one value, its shape is ", x.view.shape());
    const quantize::Plan plan({.channels = c, .pixels = h * w, .block = block}, quantization_in(means), chosen_threads());
    py::array_t<float> y({n, c, h, w});
    if (block == 0) {
        plan.to_floats(x.dense(), y.mutable_data(), static_cast<int>(n));
        return y;
    }
    Tensor<float> floats(n * round_up(c, block) * h * w);
    plan.to_floats(to_blocked(x.view).data(), floats.data(), static_cast<int>(n));
    reorder::from_blocked(floats.data(), n, c, h * w, block, y.mutable_data(), 1);
    return y;
}

} // namespace

void bind_int8(py::module_& m) {
    m.def("conv2d_int8", &conv2d_int8_call, py::arg("x"), py::arg("w"), py::arg("multiplier"), py::arg("offset"),
          py::arg("zero_point"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::arg("clip"),
          py::arg("residual"), py::arg("residual_multiplier"), py::arg("planar"));
    m.def("depthwise_conv2d_int8", &depthwise_int8_call, py::arg("x"), py::arg("w"), py::arg("multiplier"), py::arg("offset"),
          py::arg("zero_point"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("clip"));
    m.def("dense_int8", &dense_int8_call, py::arg("x"), py::arg("w"), py::arg("multiplier"), py::arg("offset"),
          py::arg("zero_point"), py::arg("clip"), py::arg("floats"));
    m.def("pool2d_int8", &pool_int8_call, py::arg("x"), py::arg("size"), py::arg("stride"), py::arg("padding"),
          py::arg("average"), py::arg("count_include_pad"), py::arg("x_means"), py::arg("y_means"));
    m.def("add_int8", &add_int8_call, py::arg("x1"), py::arg("x2"), py::arg("x1_means"), py::arg("x2_means"), py::arg("y_means"),
          py::arg("clip"));
    m.def("lookup_int8", &lookup_int8_call, py::arg("x"), py::arg("table"));
    m.def("concat_int8", &concat_int8_call, py::arg("xs"));
    m.def("quantize", &quantize_call, py::arg("x"), py::arg("means"), py::arg("block"));
    m.def("dequantize", &dequantize_call, py::arg("x"), py::arg("means"), py::arg("block"));
}

} // namespace fk
