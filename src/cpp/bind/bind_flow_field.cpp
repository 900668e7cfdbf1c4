// Flow fields: Horn and Schunck's method, sampling along a field.
#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/grey_frame.hpp"
#include "ops/flow_hs/flow_hs.hpp"
#include "ops/flow_warp/flow_warp.hpp"

namespace fk {

namespace {

using Out = std::optional<py::object>;

// The arguments of a call, judged.
struct HsCall {
    HsCall(const py::object& prev, const py::object& next, double alpha, std::int64_t iterations, double white, const Out& out)
        : from(prev, "prev"), to(next, "next"), shape(flow_hs::infer({.from = from.size,
                                                                      .to = to.size,
                                                                      .from_pixel = from.pixel,
                                                                      .to_pixel = to.pixel,
                                                                      .from_float = from.is_float,
                                                                      .to_float = to.is_float,
                                                                      .alpha = alpha,
                                                                      .white = white,
                                                                      .iterations = iterations})),
          result(output_array<float>(out, {shape.height, shape.width, 2}, {{"prev", from.owner}, {"next", to.owner}})) {
        const py::gil_scoped_release released;
        from.require_sound("prev", white);
        to.require_sound("next", white);
    }
    GreyFrame from, to;
    flow_hs::Shape shape;
    py::array_t<float> result;
};

py::array flow_horn_schunck(const py::object& prev, const py::object& next, double alpha, std::int64_t iterations, double white,
                            const Out& out) {
    HsCall call(prev, next, alpha, iterations, white, out);
    const GreyFrame &from = call.from, &to = call.to;
    float* y = call.result.mutable_data();
    const py::gil_scoped_release released;
    flow_hs::Plan(call.shape, chosen_threads()).run({from.pixels, from.row}, {to.pixels, to.row}, y);
    return call.result;
}

// For a device: (shape, prev, next, result), the frames as they are sent.
py::tuple flow_hs_shape(const py::object& prev, const py::object& next, double alpha, std::int64_t iterations, double white,
                        const Out& out) {
    const HsCall call(prev, next, alpha, iterations, white, out);
    return py::make_tuple(shape_record(call.shape), call.from.dense(), call.to.dense(), call.result);
}

// The arguments of a call, judged.
template <class T> struct WarpCall {
    WarpCall(const py::array& image, const py::object& flow, bool replicate, double fill, const Out& out)
        : x(view_in<T>(image, "image", 2, 3, owner)) {
        const bool plain = x.rank == 2;
        if (plain) {
            x.rank = 3;
            x.dims[2] = 1;
            x.strides[2] = 1;
        }
        motion = dense_in<float>(flow, "flow", 3, 3, flow_owner);
        shape = flow_warp::infer({.x = {x.dims[0], x.dims[1], x.dims[2]},
                                  .flow = {flow_owner.shape(0), flow_owner.shape(1), flow_owner.shape(2)},
                                  .replicate = replicate,
                                  .is_float = std::is_same_v<T, float>,
                                  .fill = fill});
        std::vector<py::ssize_t> dims{shape.height, shape.width};
        if (!plain) {
            dims.push_back(shape.channels);
        }
        result = output_array<T>(out, dims, {{"image", owner}, {"flow", flow_owner}});
    }
    // What is sent to a device: the picture itself where it is dense, else a copy.
    [[nodiscard]] py::array dense() const {
        if ((owner.flags() & py::array::c_style) != 0) {
            return owner;
        }
        py::array_t<T> pixels(std::vector<py::ssize_t>(owner.shape(), owner.shape() + owner.ndim()));
        T* to = pixels.mutable_data();
        const py::gil_scoped_release released;
        copy_dense(x, to);
        return pixels;
    }
    py::array owner, flow_owner;
    View<const T> x;
    const float* motion;
    flow_warp::Shape shape;
    py::array_t<T> result;
};

// use(call) for the picture's kind of pixel.
template <class Use> auto with_warp(const py::object& image, const py::object& flow, const std::string& border, double fill,
                                    const Out& out, Use&& use) {
    require(border == "constant" || border == "replicate", "unknown border '", border, "'; known: constant, replicate");
    const py::array array = as_array(image, "image");
    if (array.dtype().equal(py::dtype::of<std::uint8_t>())) {
        return use(WarpCall<std::uint8_t>(array, flow, border == "replicate", fill, out));
    }
    if (array.dtype().equal(py::dtype::of<float>())) {
        return use(WarpCall<float>(array, flow, border == "replicate", fill, out));
    }
    throw TypeError(message("image must be uint8 or float32, is ", dtype_name(array),
                            "; pass image.astype(\"uint8\") or image.astype(\"float32\")"));
}

py::array flow_warp_call(const py::object& image, const py::object& flow, const std::string& border, double fill,
                         const Out& out) {
    return with_warp(image, flow, border, fill, out, [](auto call) {
        auto* to = call.result.mutable_data();
        const py::gil_scoped_release released;
        flow_warp::Plan(call.shape, chosen_threads()).run(call.x, call.motion, to);
        return py::array(call.result);
    });
}

// For a device: (shape, image, flow, result), the picture as it is sent.
py::tuple flow_warp_shape(const py::object& image, const py::object& flow, const std::string& border, double fill,
                          const Out& out) {
    return with_warp(image, flow, border, fill, out, [](const auto& call) -> py::tuple {
        return py::make_tuple(shape_record(call.shape), call.dense(), call.flow_owner, call.result);
    });
}

} // namespace

void bind_flow_field(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_flow_hs_shape, height, width, iterations, is_float, alpha, scale);
    PYBIND11_NUMPY_DTYPE(fk_flow_warp_shape, height, width, channels, replicate, is_float, fill);
    add_device_op<fk_flow_hs_shape>("flow_hs", &flow_hs::choose_device_kernel, &flow_hs::cost);
    add_device_op<fk_flow_warp_shape>("flow_warp", &flow_warp::choose_device_kernel, &flow_warp::cost);
    m.def("flow_hs_shape", &flow_hs_shape, py::arg("prev"), py::arg("next"), py::arg("alpha"), py::arg("iterations"),
          py::arg("white"), py::arg("out"));
    m.def("flow_warp_shape", &flow_warp_shape, py::arg("image"), py::arg("flow"), py::arg("border"), py::arg("fill"),
          py::arg("out"));
    m.def("flow_horn_schunck", &flow_horn_schunck, py::arg("prev"), py::arg("next"), py::arg("alpha"), py::arg("iterations"),
          py::arg("white"), py::arg("out") = py::none());
    m.def("flow_warp", &flow_warp_call, py::arg("image"), py::arg("flow"), py::arg("border"), py::arg("fill"),
          py::arg("out") = py::none());
}

} // namespace fk
