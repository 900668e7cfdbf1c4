// Flow fields: Horn and Schunck's method, sampling along a field.
#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/grey_frame.hpp"
#include "ops/flow_hs/flow_hs.hpp"
#include "ops/flow_warp/flow_warp.hpp"

namespace fk {

namespace {

py::array flow_horn_schunck(const py::object& prev, const py::object& next, double alpha, std::int64_t iterations, double white,
                            const std::optional<py::object>& out) {
    const GreyFrame from(prev, "prev"), to(next, "next");
    const flow_hs::Shape shape = flow_hs::infer({.from = from.size,
                                                 .to = to.size,
                                                 .from_pixel = from.pixel,
                                                 .to_pixel = to.pixel,
                                                 .from_float = from.is_float,
                                                 .to_float = to.is_float,
                                                 .alpha = alpha,
                                                 .white = white,
                                                 .iterations = iterations});
    py::array_t<float> flow =
        output_array<float>(out, {shape.height, shape.width, 2}, {{"prev", from.owner}, {"next", to.owner}});
    float* y = flow.mutable_data();
    const py::gil_scoped_release released;
    from.require_sound("prev", white);
    to.require_sound("next", white);
    flow_hs::Plan(shape, chosen_threads()).run({from.pixels, from.row}, {to.pixels, to.row}, y);
    return flow;
}

template <class T> py::array warp_as(const py::array& image, const py::object& flow, bool replicate, double fill,
                                     const std::optional<py::object>& out) {
    py::array owner, flow_owner;
    View<const T> x = view_in<T>(image, "image", 2, 3, owner);
    const bool plain = x.rank == 2;
    if (plain) {
        x.rank = 3;
        x.dims[2] = 1;
        x.strides[2] = 1;
    }
    const float* motion = dense_in<float>(flow, "flow", 3, 3, flow_owner);
    const flow_warp::Shape shape = flow_warp::infer({.x = {x.dims[0], x.dims[1], x.dims[2]},
                                                     .flow = {flow_owner.shape(0), flow_owner.shape(1), flow_owner.shape(2)},
                                                     .replicate = replicate,
                                                     .is_float = std::is_same_v<T, float>,
                                                     .fill = fill});
    std::vector<py::ssize_t> dims{shape.height, shape.width};
    if (!plain) {
        dims.push_back(shape.channels);
    }
    py::array_t<T> y = output_array<T>(out, dims, {{"image", owner}, {"flow", flow_owner}});
    T* to = y.mutable_data();
    const py::gil_scoped_release released;
    flow_warp::Plan(shape, chosen_threads()).run(x, motion, to);
    return y;
}

py::array flow_warp_call(const py::object& image, const py::object& flow, const std::string& border, double fill,
                         const std::optional<py::object>& out) {
    require(border == "constant" || border == "replicate", "unknown border '", border, "'; known: constant, replicate");
    const py::array array = as_array(image, "image");
    if (array.dtype().equal(py::dtype::of<std::uint8_t>())) {
        return warp_as<std::uint8_t>(array, flow, border == "replicate", fill, out);
    }
    if (array.dtype().equal(py::dtype::of<float>())) {
        return warp_as<float>(array, flow, border == "replicate", fill, out);
    }
    throw TypeError(message("image must be uint8 or float32, is ", dtype_name(array),
                            "; pass image.astype(\"uint8\") or image.astype(\"float32\")"));
}

} // namespace

void bind_flow_field(py::module_& m) {
    m.def("flow_horn_schunck", &flow_horn_schunck, py::arg("prev"), py::arg("next"), py::arg("alpha"), py::arg("iterations"),
          py::arg("white"), py::arg("out") = py::none());
    m.def("flow_warp", &flow_warp_call, py::arg("image"), py::arg("flow"), py::arg("border"), py::arg("fill"),
          py::arg("out") = py::none());
}

} // namespace fk
