// Dense optical flow.
#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/grey_frame.hpp"
#include "ops/flow_dis/flow_dis.hpp"

namespace fk {

namespace {

constexpr float furthest = 1e6F; // pixels, of flows that are refined

struct Settings {
    std::int64_t finest = 0, stride = 4, iterations = 3, refinements = 1, sweeps = 4;
    double alpha = 20, delta = 5, gamma = 10, white = 255;
};

flow_dis::Params params_of(const Settings& s) {
    flow_dis::Params p;
    p.finest = s.finest;
    p.stride = s.stride;
    p.iterations = s.iterations;
    p.refinements = s.refinements;
    p.white = s.white;
    p.refine.sweeps = s.sweeps;
    p.refine.alpha = s.alpha;
    p.refine.delta = s.delta;
    p.refine.gamma = s.gamma;
    return p;
}

flow_dis::Shape shape_of(const GreyFrame& from, const GreyFrame& to, const Settings& settings) {
    flow_dis::Params params = params_of(settings);
    params.from = from.size;
    params.to = to.size;
    params.from_pixel = from.pixel;
    params.to_pixel = to.pixel;
    params.from_float = from.is_float;
    params.to_float = to.is_float;
    return flow_dis::infer(params);
}

using Out = std::optional<py::object>;

// The arguments of a call, judged.
struct DenseCall {
    DenseCall(const py::object& prev, const py::object& next, const Settings& settings, const Out& out)
        : from(prev, "prev"), to(next, "next"), shape(shape_of(from, to, settings)),
          result(output_array<float>(out, {shape.height, shape.width, 2}, {{"prev", from.owner}, {"next", to.owner}})) {
        const py::gil_scoped_release released;
        from.require_sound("prev", settings.white);
        to.require_sound("next", settings.white);
    }
    GreyFrame from, to;
    flow_dis::Shape shape;
    py::array_t<float> result;
};

py::array flow_dense(const py::object& prev, const py::object& next, std::int64_t finest, std::int64_t stride,
                     std::int64_t iterations, std::int64_t refinements, std::int64_t sweeps, double alpha, double delta,
                     double gamma, double white, const Out& out) {
    DenseCall call(prev, next, {finest, stride, iterations, refinements, sweeps, alpha, delta, gamma, white}, out);
    const GreyFrame &from = call.from, &to = call.to;
    float* y = call.result.mutable_data();
    const py::gil_scoped_release released;
    flow_dis::Plan(call.shape, chosen_threads()).run({from.pixels, from.row}, {to.pixels, to.row}, y);
    return call.result;
}

// For a device: (shape, prev, next, result), the frames as they are sent.
py::tuple flow_dis_shape(const py::object& prev, const py::object& next, std::int64_t finest, std::int64_t stride,
                         std::int64_t iterations, std::int64_t refinements, std::int64_t sweeps, double alpha, double delta,
                         double gamma, double white, const Out& out) {
    const DenseCall call(prev, next, {finest, stride, iterations, refinements, sweeps, alpha, delta, gamma, white}, out);
    return py::make_tuple(shape_record(call.shape), call.from.dense(), call.to.dense(), call.result);
}

// The arguments of a refinement, judged.
struct RefineCall {
    RefineCall(const py::object& prev, const py::object& next, const py::object& flow, const Settings& settings, const Out& out)
        : from(prev, "prev"), to(next, "next"), known(dense_in<float>(flow, "flow", 3, 3, flow_owner)),
          shape(shape_of(from, to, settings)) {
        shape.coarsest = 0;
        require(flow_owner.shape(0) == shape.height && flow_owner.shape(1) == shape.width && flow_owner.shape(2) == 2,
                "flow must have the shape [", shape.height, ", ", shape.width, ", 2], has ", shape_text(flow_owner));
        result = output_array<float>(out, {shape.height, shape.width, 2},
                                     {{"prev", from.owner}, {"next", to.owner}, {"flow", flow_owner, true}});
        const py::gil_scoped_release released;
        from.require_sound("prev", settings.white);
        to.require_sound("next", settings.white);
        require(within(known, 2 * std::int64_t(shape.width), shape.height, 2 * std::int64_t(shape.width), furthest),
                "flow must be finite and within ", furthest, " pixels");
    }
    GreyFrame from, to;
    py::array flow_owner;
    const float* known;
    flow_dis::Shape shape;
    py::array_t<float> result;
};

Settings refinement(std::int64_t refinements, std::int64_t sweeps, double alpha, double delta, double gamma, double white) {
    return {.finest = 0,
            .refinements = refinements,
            .sweeps = sweeps,
            .alpha = alpha,
            .delta = delta,
            .gamma = gamma,
            .white = white};
}

py::array flow_refine_call(const py::object& prev, const py::object& next, const py::object& flow, std::int64_t refinements,
                           std::int64_t sweeps, double alpha, double delta, double gamma, double white, const Out& out) {
    RefineCall call(prev, next, flow, refinement(refinements, sweeps, alpha, delta, gamma, white), out);
    const GreyFrame &from = call.from, &to = call.to;
    float* y = call.result.mutable_data();
    const py::gil_scoped_release released;
    flow_dis::Plan(call.shape, chosen_threads()).improve({from.pixels, from.row}, {to.pixels, to.row}, call.known, y);
    return call.result;
}

// For a device: (shape, prev, next, flow, result).
py::tuple flow_refine_shape(const py::object& prev, const py::object& next, const py::object& flow, std::int64_t refinements,
                            std::int64_t sweeps, double alpha, double delta, double gamma, double white, const Out& out) {
    const RefineCall call(prev, next, flow, refinement(refinements, sweeps, alpha, delta, gamma, white), out);
    return py::make_tuple(shape_record(call.shape), call.from.dense(), call.to.dense(), call.flow_owner, call.result);
}

// (operations, bytes read, bytes written) of a call, as cost() says.
py::tuple flow_dense_cost(std::int64_t height, std::int64_t width, bool is_float, std::int64_t finest, std::int64_t stride,
                          std::int64_t iterations, std::int64_t refinements, std::int64_t sweeps) {
    flow_dis::Params params = params_of({finest, stride, iterations, refinements, sweeps});
    params.from = params.to = {height, width};
    params.from_float = params.to_float = is_float;
    const Cost c = flow_dis::cost(flow_dis::infer(params));
    return py::make_tuple(c.flops, c.bytes_read, c.bytes_written);
}

} // namespace

void bind_flow_dense(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_flow_refine_shape, height, width, sweeps, alpha, delta, gamma, omega);
    PYBIND11_NUMPY_DTYPE(fk_flow_dis_shape, height, width, is_float, coarsest, finest, stride, iterations, refinements, scale,
                         refine);
    add_device_op<fk_flow_refine_shape>("flow_refine", &flow_refine::choose_device_kernel, &flow_refine::cost);
    add_device_op<fk_flow_dis_shape>("flow_dis", &flow_dis::choose_device_kernel, &flow_dis::cost);
    m.def("flow_dis_shape", &flow_dis_shape, py::arg("prev"), py::arg("next"), py::arg("finest"), py::arg("stride"),
          py::arg("iterations"), py::arg("refinements"), py::arg("sweeps"), py::arg("alpha"), py::arg("delta"), py::arg("gamma"),
          py::arg("white"), py::arg("out"));
    m.def("flow_refine_shape", &flow_refine_shape, py::arg("prev"), py::arg("next"), py::arg("flow"), py::arg("refinements"),
          py::arg("sweeps"), py::arg("alpha"), py::arg("delta"), py::arg("gamma"), py::arg("white"), py::arg("out"));
    m.def("flow_dense", &flow_dense, py::arg("prev"), py::arg("next"), py::arg("finest"), py::arg("stride"),
          py::arg("iterations"), py::arg("refinements"), py::arg("sweeps"), py::arg("alpha"), py::arg("delta"), py::arg("gamma"),
          py::arg("white"), py::arg("out") = py::none());
    m.def("flow_refine", &flow_refine_call, py::arg("prev"), py::arg("next"), py::arg("flow"), py::arg("refinements"),
          py::arg("sweeps"), py::arg("alpha"), py::arg("delta"), py::arg("gamma"), py::arg("white"), py::arg("out") = py::none());
    m.def("flow_dense_cost", &flow_dense_cost, py::arg("height"), py::arg("width"), py::arg("is_float"), py::arg("finest"),
          py::arg("stride"), py::arg("iterations"), py::arg("refinements"), py::arg("sweeps"));
}

} // namespace fk
