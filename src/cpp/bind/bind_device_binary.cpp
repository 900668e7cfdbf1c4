// What the host side of a device is told about binary layers: shapes, and arguments judged as for the processor.
#include <pybind11/stl.h>

#include "bind/binary_arguments.hpp"
#include "bind/bind.hpp"
#include "bind/device_ops.hpp"

namespace fk {

namespace {

py::array binary_shape(const py::object& bits, const py::object& alpha, std::int64_t channels,
                       const std::array<std::int64_t, 4>& x, const py::object& stride, const py::object& padding) {
    return shape_record(BinaryFilters(bits, alpha, channels, x, stride, padding).shape);
}

// That of packing the signs of x [n, c, h, w].
py::array binary_signs_shape(const py::object& x_in) {
    py::array owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, owner);
    return shape_record(binary::infer({.x = four(x), .w = {1, x.dims[1], 1, 1}, .window = {}}));
}

py::object dense_or_none(const Vector& vector) {
    if (vector.view.data == nullptr) {
        return py::none();
    }
    py::array_t<float> dense(vector.length());
    copy_dense(vector.view, dense.mutable_data());
    return dense;
}

// (x dense, b dense or None, activation, its slope, the array to write)
py::tuple binary_numbers(const py::array& record, bool channels_last, const py::object& x, const py::object& b, bool scale_input,
                         const py::object& activation, const std::optional<float>& slope, const std::optional<py::object>& out) {
    const BinaryNumbersArguments given(shape_in<binary::Shape>(record), channels_last, x, b, scale_input, activation, slope, out);
    return py::make_tuple(given.x.dense(), dense_or_none(given.b), given.activation.kind, given.activation.alpha, given.y);
}

// (x dense, at_least, direction, the array to write)
py::tuple binary_bits(const py::array& record, const py::object& x, const py::object& at_least, const py::object& direction,
                      const std::optional<py::object>& out) {
    const BinaryBitsArguments given(shape_in<binary::Shape>(record), false, x, at_least, direction, out);
    return py::make_tuple(given.x.dense(), given.least_owner, given.direction_owner, given.y);
}

} // namespace

void bind_device_binary(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_binary_shape, n, c, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left);
    add_device_op<fk_binary_shape>("binary", &binary::choose_device_kernel, &binary::cost);
    m.def("binary_shape", &binary_shape, py::arg("bits"), py::arg("alpha"), py::arg("channels"), py::arg("x"), py::arg("stride"),
          py::arg("padding"));
    m.def("binary_signs_shape", &binary_signs_shape, py::arg("x"));
    m.def("binary_numbers", &binary_numbers, py::arg("shape"), py::arg("channels_last"), py::arg("x"), py::arg("b"),
          py::arg("scale_input"), py::arg("activation"), py::arg("slope"), py::arg("out"));
    m.def("binary_bits", &binary_bits, py::arg("shape"), py::arg("x"), py::arg("at_least"), py::arg("direction"), py::arg("out"));
}

} // namespace fk
