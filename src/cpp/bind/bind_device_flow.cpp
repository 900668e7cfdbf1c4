// What a device is told of optical flow.
#include <pybind11/stl.h>

#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/grey_frame.hpp"
#include "bind/track_arguments.hpp"

namespace fk {

namespace {

py::array pyramid_shape(const py::object& object, const char* name) {
    const GreyFrame frame(object, name);
    return shape_record(pyramid::infer({.name = name, .x = frame.size, .pixel_stride = frame.pixel, .is_float = frame.is_float}));
}

// (height, width) of a level.
std::pair<int, int> pyramid_level(const py::array& shape, int level) {
    const pyramid::Shape size = pyramid::level_shape(shape_in<fk_pyramid_shape>(shape), level);
    return {size.height, size.width};
}

py::array dense_frame(const py::object& object, const char* name) { return GreyFrame(object, name).dense(); }

// (shape, pts, guess), the points as they are sent.
py::tuple flow_lk_shape(const py::array& prev, const py::array& next, const py::object& pts, const py::object& guess,
                        std::int64_t window, std::int64_t levels, std::int64_t iterations, double epsilon,
                        double min_eigenvalue) {
    const TrackArguments arguments(shape_in<fk_pyramid_shape>(prev), shape_in<fk_pyramid_shape>(next), pts, guess,
                                   {window, levels, iterations, epsilon, min_eigenvalue});
    const py::object first = guess.is_none() ? py::object(py::none()) : py::object(arguments.guess_owner);
    return py::make_tuple(shape_record(arguments.shape), arguments.point_owner, first);
}

Cost cost_of_a_level(const fk_pyramid_shape& shape) { return pyramid::cost(shape, 1); }

} // namespace

void bind_device_flow(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_pyramid_shape, height, width, is_float);
    PYBIND11_NUMPY_DTYPE(fk_flow_lk_shape, frame, points, window, levels, iterations, epsilon, min_eigenvalue);
    add_device_op<fk_pyramid_shape>("pyramid", &pyramid::choose_device_kernel, &cost_of_a_level);
    add_device_op<fk_flow_lk_shape>("flow_lk", &flow_lk::choose_device_kernel, &flow_lk::cost);
    m.def("pyramid_shape", &pyramid_shape, py::arg("frame"), py::arg("name"));
    m.def("pyramid_level", &pyramid_level, py::arg("shape"), py::arg("level"));
    m.def("dense_frame", &dense_frame, py::arg("frame"), py::arg("name"));
    m.def("flow_lk_shape", &flow_lk_shape, py::arg("prev"), py::arg("next"), py::arg("pts"), py::arg("guess"), py::arg("window"),
          py::arg("levels"), py::arg("iterations"), py::arg("epsilon"), py::arg("min_eigenvalue"));
}

} // namespace fk
