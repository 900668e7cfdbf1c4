// What the host side of a device is told. Shapes leave as NumPy records of the very struct that infer() filled; the
// device's compiler reads the same header, so the bytes go to a kernel as they are.
#include <pybind11/stl.h>

#include <map>

#include "bind/bind.hpp"
#include "bind/conv2d_arguments.hpp"
#include "bind/convert.hpp"

namespace fk {

namespace {

using Conv2dRecord = py::array_t<fk_conv2d_shape>;

Conv2dRecord conv2d_shape(const py::object& x, const py::object& w, const py::object& b, const py::object& stride,
                          const py::object& padding, const py::object& dilation, std::int64_t groups,
                          const py::object& activation, const std::optional<float>& alpha) {
    const Conv2dArguments arguments(x, w, b, stride, padding, dilation, groups, activation, alpha);
    Conv2dRecord record(std::vector<py::ssize_t>{});
    *record.mutable_data() = arguments.shape;
    return record;
}

const fk_conv2d_shape& conv2d_shape_in(const py::array& record) {
    const py::dtype expected = py::dtype::of<fk_conv2d_shape>();
    if (!record.dtype().equal(expected) || record.size() != 1) {
        throw TypeError("shape must be one record as conv2d_shape() returns it");
    }
    return *static_cast<const fk_conv2d_shape*>(record.data());
}

std::pair<std::string, std::string> conv2d_device_kernel(const py::array& record, const std::string& target) {
    const auto& row = conv2d::choose_device_kernel(conv2d_shape_in(record), target);
    return {row.name, row.function};
}

std::tuple<double, double, double> conv2d_cost(const py::array& record) {
    const Cost cost = conv2d::cost(conv2d_shape_in(record));
    return {cost.flops, cost.bytes_read, cost.bytes_written};
}

// The array that a device's result is copied into: as for the processor, `out` or a new one. `inputs`: by their names, or None.
py::array_t<float> device_output(const std::optional<py::object>& out, const std::vector<py::ssize_t>& shape,
                                 const std::map<std::string, py::object>& inputs) {
    std::vector<Input> apart;
    for (const auto& [name, object] : inputs) {
        if (!object.is_none()) {
            apart.push_back({name, as_array(object, name.c_str())});
        }
    }
    return output_array<float>(out, shape, apart);
}

// What is sent to a device must be dense: the array itself where it is, else a copy made here.
py::array dense_float32(const py::object& object, const char* name, const std::optional<std::vector<py::ssize_t>>& shape) {
    py::array owner;
    const View<const float> view = view_in<float>(object, name, 1, 4, owner);
    if (shape.has_value()) {
        const bool same = std::equal(shape->begin(), shape->end(), owner.shape(), owner.shape() + owner.ndim());
        require(same, name, " has shape ", shape_text(owner), ", expected ", shape_text(py::array_t<float>(*shape)));
    }
    if (view.contiguous()) {
        return owner;
    }
    py::array_t<float> dense(std::vector<py::ssize_t>(owner.shape(), owner.shape() + owner.ndim()));
    float* to = dense.mutable_data();
    const py::gil_scoped_release released;
    copy_dense(view, to);
    return dense;
}

} // namespace

void bind_device(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_conv2d_shape, n, ic, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left, dilation_h,
                         dilation_w, groups, activation, alpha);
    m.def("conv2d_shape", &conv2d_shape, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
          py::arg("dilation"), py::arg("groups"), py::arg("activation"), py::arg("alpha"));
    m.def("conv2d_device_kernel", &conv2d_device_kernel, py::arg("shape"), py::arg("target"));
    m.def(
        "conv2d_kernels", [](const py::array& record) { return conv2d::kernel_names(conv2d_shape_in(record)); },
        py::arg("shape"));
    m.def("conv2d_cost", &conv2d_cost, py::arg("shape"));
    m.def("device_output", &device_output, py::arg("out"), py::arg("shape"), py::arg("inputs"));
    m.def("dense_float32", &dense_float32, py::arg("array"), py::arg("name"), py::arg("shape"));
}

} // namespace fk
