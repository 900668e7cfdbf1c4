// The ops that have kernels on devices, by name: what their Shape looks like as a NumPy record, which row serves one, what
// it costs. Each area's binding adds its own.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "bind/convert.hpp"
#include "ops/op.hpp"

namespace fk {

struct DeviceOp {
    py::dtype record;
    std::function<std::pair<std::string, std::string>(const void* shape, std::string_view target)> kernel; // name, function
    std::function<Cost(const void* shape)> cost;
};

// Never freed: the interpreter may be gone when statics are destroyed.
std::map<std::string, DeviceOp>& device_ops();

// Shape must be known by PYBIND11_NUMPY_DTYPE.
template <class Shape> void add_device_op(const char* op, const DeviceRow<Shape>& (*choose)(const Shape&, std::string_view),
                                          Cost (*cost)(const Shape&)) {
    device_ops()[op] = {.record = py::dtype::of<Shape>(),
                        .kernel =
                            [choose](const void* shape, std::string_view target) {
                                const DeviceRow<Shape>& row = choose(*static_cast<const Shape*>(shape), target);
                                return std::pair<std::string, std::string>(row.name, row.function);
                            },
                        .cost = [cost](const void* shape) { return cost(*static_cast<const Shape*>(shape)); }};
}

// A Shape as it goes to a device: one NumPy record with the bytes of the struct.
template <class Shape> py::array shape_record(const Shape& shape) {
    py::array_t<Shape> record(std::vector<py::ssize_t>{});
    *record.mutable_data() = shape;
    return record;
}

// The Shape in such a record; throws TypeError where it is none.
template <class Shape> const Shape& shape_in(const py::array& record) {
    if (!record.dtype().equal(py::dtype::of<Shape>()) || record.size() != 1) {
        throw TypeError("shape must be one record as the op's _shape() returns it");
    }
    return *static_cast<const Shape*>(record.data());
}

} // namespace fk
