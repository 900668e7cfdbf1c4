// The arguments of a singular value decomposition, as the processor's function and the devices' take them.
#pragma once

#include "bind/convert.hpp"
#include "ops/svd/svd.hpp"

namespace fk {

// True for float64, false for float32; TypeError for anything else.
inline bool is_float64(const py::array& a) {
    if (a.dtype().equal(py::dtype::of<double>())) {
        return true;
    }
    if (!a.dtype().equal(py::dtype::of<float>())) {
        throw TypeError(message("a must be float32 or float64, is ", dtype_name(a), "; pass a.astype(\"float32\")"));
    }
    return false;
}

// a as [batch, m, n]; its rank stays that of the array, so that messages and results can tell one matrix from a batch of one.
template <class T> View<const T> matrices_in(const py::object& object, py::array& owner) {
    View<const T> a = view_in<T>(object, "a", 2, 3, owner);
    if (a.rank == 2) {
        a.dims = {1, a.dims[0], a.dims[1]};
        a.strides = {0, a.strides[0], a.strides[1]};
    }
    return a;
}

template <class T> svd::Shape svd_shape_of(const View<const T>& a, svd::Params params) {
    params.a = {a.dims[0], a.dims[1], a.dims[2]};
    params.wide_type = sizeof(T) == 8;
    return svd::infer(params);
}

} // namespace fk
