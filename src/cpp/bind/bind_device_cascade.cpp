// What the host side of a device is told of the face cascade.
#include <pybind11/stl.h>

#include "bind/bind.hpp"
#include "bind/cascade_arguments.hpp"
#include "bind/device_ops.hpp"
#include "ops/cascade/device.hpp"
#include "ops/cascade/flatten.hpp"

namespace fk {

namespace {

using cascade::Cascade;
using cascade::DeviceScan;

template <class T> py::array table(const std::vector<T>& values) {
    return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

// A scan and what its hits are made from again.
struct PlannedScan {
    cascade::Params params;
    DeviceScan scan;
};

PlannedScan plan_scan(const Cascade& c, const py::object& gray, double scale_factor, std::array<std::int64_t, 2> min_size,
                      std::array<std::int64_t, 2> max_size, int step) {
    py::array owner;
    const cascade::Image image = image_in(gray, owner);
    const cascade::Params params = cascade_params_in(scale_factor, min_size, max_size, step);
    return {params, cascade::device_scan(c, params, image.width, image.height)};
}

py::dict program(const Cascade& c, std::int32_t stride) {
    const cascade::Flat flat = cascade::flatten(c, {.stride = stride});
    py::dict tables;
    tables["nodes"] = table(flat.nodes);
    tables["trees"] = table(flat.trees);
    tables["stages"] = table(flat.stages);
    tables["leaves"] = table(c.leaves);
    tables["tables"] = table(c.tables);
    return tables;
}

using Windows = py::array_t<std::int32_t, py::array::c_style>;
using Votes = py::array_t<double, py::array::c_style>;

py::tuple hits(const PlannedScan& plan, const Cascade& c, const Windows& windows, const Votes& votes) {
    require(windows.ndim() == 1 && votes.ndim() == 1 && windows.size() == votes.size(), "windows has shape ", shape_text(windows),
            ", votes ", shape_text(votes), "; they must be as many");
    return hits_out(cascade::device_hits(c, plan.params, plan.scan, {windows.data(), windows.data() + windows.size()},
                                         {votes.data(), votes.data() + votes.size()}));
}

// Judges a picture that a scan is used for again.
void check(const PlannedScan& plan, const py::object& gray) {
    py::array owner;
    const cascade::Image image = image_in(gray, owner);
    const fk_cascade_shape& s = plan.scan.shape;
    require(image.height == s.height && image.width == s.width, "gray has shape ", shape_text(owner), ", the scan is for [",
            s.height, ", ", s.width, "]");
}

} // namespace

void bind_device_cascade(py::module_& m) {
    using namespace py::literals;
    PYBIND11_NUMPY_DTYPE(fk_cascade_shape, height, width, stride, lines, levels, rows, pixels, window_rows, windows, widest,
                         highest, pitch, window_height, window_width, lbp, stumps, cumulative, tilted, stages);
    PYBIND11_NUMPY_DTYPE(fk_cascade_level, width, height, origin, taps, step, columns, scale);
    PYBIND11_NUMPY_DTYPE(fk_cascade_row, level, y, upper, weight);
    PYBIND11_NUMPY_DTYPE(fk_cascade_tap, left, weight);
    PYBIND11_NUMPY_DTYPE(fk_cascade_window_row, level, y);
    PYBIND11_NUMPY_DTYPE(fk_cascade_node, corners, weights, rects, threshold, table, left_value, right_value, left, right,
                         tilted);
    PYBIND11_NUMPY_DTYPE(fk_cascade_tree, first_node, node_count, first_leaf);
    PYBIND11_NUMPY_DTYPE(fk_cascade_stage, first_tree, tree_count, threshold);
    add_device_op<fk_cascade_shape>("cascade", &cascade::choose_device_kernel, &cascade::cost);
    py::class_<PlannedScan>(m, "PlannedScan")
        .def(py::init(&plan_scan), "cascade"_a, "gray"_a, "scale_factor"_a, "min_size"_a, "max_size"_a, "step"_a)
        .def("shape", [](const PlannedScan& p) { return shape_record(p.scan.shape); })
        .def("levels", [](const PlannedScan& p) { return table(p.scan.levels); })
        .def("rows", [](const PlannedScan& p) { return table(p.scan.rows); })
        .def("taps", [](const PlannedScan& p) { return table(p.scan.taps); })
        .def("window_rows", [](const PlannedScan& p) { return table(p.scan.window_rows); })
        .def("check", &check, "gray"_a)
        .def("hits", &hits, "cascade"_a, "windows"_a, "votes"_a);
    m.def("cascade_program", &program, "cascade"_a, "stride"_a);
}

} // namespace fk
