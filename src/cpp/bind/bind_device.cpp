// What the host side of a device is told. Shapes leave as NumPy records of the very struct that infer() filled; the
// device's compiler reads the same header, so the bytes go to a kernel as they are.
#include <pybind11/stl.h>

#include <map>

#include "bind/bind.hpp"
#include "bind/conv2d_arguments.hpp"
#include "bind/convert.hpp"
#include "bind/device_ops.hpp"

namespace fk {

namespace {

py::array conv2d_shape(const py::object& x, const py::object& w, const py::object& b, const py::object& stride,
                       const py::object& padding, const py::object& dilation, std::int64_t groups, const py::object& activation,
                       const std::optional<float>& alpha) {
    return shape_record(Conv2dArguments(x, w, b, stride, padding, dilation, groups, activation, alpha).shape);
}

// The op of that name, for a record of its Shape.
const DeviceOp& device_op(const std::string& op, const py::array& record) {
    const auto found = device_ops().find(op);
    require(found != device_ops().end(), "op '", op, "' has no kernels on devices");
    if (!record.dtype().equal(found->second.record) || record.size() != 1) {
        throw TypeError(message("shape must be one record of op '", op, "'"));
    }
    return found->second;
}

std::pair<std::string, std::string> device_kernel(const std::string& op, const py::array& record, const std::string& target) {
    return device_op(op, record).kernel(record.data(), target);
}

std::tuple<double, double, double> device_cost(const std::string& op, const py::array& record) {
    const Cost cost = device_op(op, record).cost(record.data());
    return {cost.flops, cost.bytes_read, cost.bytes_written};
}

// The array that a device's result is copied into: as for the processor, `out` or a new one. `inputs`: by their names, or None;
// may_be_input: `out` may be one of them.
py::array_t<float> device_output(const std::optional<py::object>& out, const std::vector<py::ssize_t>& shape,
                                 const std::map<std::string, py::object>& inputs, bool may_be_input) {
    std::vector<Input> apart;
    for (const auto& [name, object] : inputs) {
        if (!object.is_none()) {
            apart.push_back({name, as_array(object, name.c_str()), may_be_input});
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

std::map<std::string, DeviceOp>& device_ops() {
    static auto* const ops = new std::map<std::string, DeviceOp>();
    return *ops;
}

void bind_device(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_conv2d_shape, n, ic, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left, dilation_h,
                         dilation_w, groups, activation, alpha);
    m.def("conv2d_shape", &conv2d_shape, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
          py::arg("dilation"), py::arg("groups"), py::arg("activation"), py::arg("alpha"));
    add_device_op<fk_conv2d_shape>("conv2d", &conv2d::choose_device_kernel, &conv2d::cost);
    m.def("device_kernel", &device_kernel, py::arg("op"), py::arg("shape"), py::arg("target"));
    m.def("device_cost", &device_cost, py::arg("op"), py::arg("shape"));
    m.def(
        "conv2d_kernels", [](const py::array& record) { return conv2d::kernel_names(shape_in<fk_conv2d_shape>(record)); },
        py::arg("shape"));
    m.def("device_output", &device_output, py::arg("out"), py::arg("shape"), py::arg("inputs"), py::arg("may_be_input") = false);
    m.def("dense_float32", &dense_float32, py::arg("array"), py::arg("name"), py::arg("shape"));
}

} // namespace fk
