// From Python objects to views and back. Nothing is cast or copied here: what does not fit is refused by name.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/view.hpp"
#include "ops/activation.hpp"
#include "ops/window.hpp"

namespace fk {

namespace py = pybind11;

// The NumPy array behind an argument: an array itself, or anything with __array_interface__ or host DLPack (no copy).
py::array as_array(const py::object& object, const char* name);
std::string dtype_name(const py::array& array);
std::string shape_text(const py::array& array);
// Throws TypeError for a wrong dtype, ValueError for a rank outside [least_rank, most_rank].
void check_array(const py::array& array, const char* name, const py::dtype& dtype, const char* dtype_text, int least_rank,
                 int most_rank);

// Throws ValueError for memory that is not aligned to its items.
void check_aligned(const py::array& array, const char* name);

// A view into `object`; `owner` keeps the memory alive. Strides may be anything that is a multiple of the item size.
template <class T>
View<const T> view_in(const py::object& object, const char* name, int least_rank, int most_rank, py::array& owner) {
    owner = as_array(object, name);
    check_array(owner, name, py::dtype::of<T>(), DtypeName<T>::value, least_rank, most_rank);
    View<const T> view;
    view.data = static_cast<const T*>(owner.data());
    view.rank = static_cast<int>(owner.ndim());
    for (int d = 0; d < view.rank; ++d) {
        const auto i = static_cast<std::size_t>(d);
        view.dims[i] = owner.shape(d);
        require(owner.strides(d) % static_cast<py::ssize_t>(sizeof(T)) == 0, name, ": the stride of axis ", d, " is ",
                owner.strides(d), " bytes, not a multiple of the item size ", sizeof(T));
        view.strides[i] = owner.strides(d) / static_cast<py::ssize_t>(sizeof(T));
    }
    check_aligned(owner, name);
    return view;
}

// A dense array: as view_in, and refused when it is not C-contiguous.
template <class T>
const T* dense_in(const py::object& object, const char* name, int least_rank, int most_rank, py::array& owner) {
    const View<const T> view = view_in<T>(object, name, least_rank, most_rank, owner);
    require(view.contiguous(), name, " must be C-contiguous; pass numpy.ascontiguousarray(", name, ")");
    return view.data;
}

// True where the memory of two arrays may overlap (their byte ranges do).
bool may_overlap(const py::array& a, const py::array& b);

// An array that a call reads, and the name of its argument.
struct Input {
    std::string name;
    py::array array;
    bool may_be_out = false; // out may be this very array: every value is read before it is written
};

// The array to write: `out` when given (right dtype, shape, C-contiguous, writeable, apart from every input), else a new one.
template <class T> py::array_t<T> output_array(const std::optional<py::object>& out, const std::vector<py::ssize_t>& shape,
                                               const std::vector<Input>& inputs) {
    if (!out.has_value() || out->is_none()) {
        return py::array_t<T>(shape);
    }
    py::array array = as_array(*out, "out");
    const int rank = static_cast<int>(shape.size());
    check_array(array, "out", py::dtype::of<T>(), DtypeName<T>::value, rank, rank);
    for (int d = 0; d < rank; ++d) {
        require(array.shape(d) == shape[static_cast<std::size_t>(d)], "out has shape ", shape_text(array), ", axis ", d,
                " must be ", shape[static_cast<std::size_t>(d)]);
    }
    require((array.flags() & py::array::c_style) != 0, "out must be C-contiguous");
    require(array.writeable(), "out is read-only");
    check_aligned(array, "out");
    for (const Input& input : inputs) {
        const bool same = array.data() == input.array.data() && (input.array.flags() & py::array::c_style) != 0;
        require((input.may_be_out && same) || !may_overlap(array, input.array), "out must not share memory with ", input.name);
    }
    return py::reinterpret_borrow<py::array_t<T>>(array);
}

// n or (n, m)
std::array<std::int64_t, 2> pair_in(const py::object& object, const char* name);
// (height, width), both needed
std::array<std::int64_t, 2> size_in(const py::object& object, const char* name);
// "same", "valid", p, (vertical, horizontal) or (top, bottom, left, right)
Padding padding_in(const py::object& object);
Activation activation_in(const py::object& name, const std::optional<float>& alpha);

} // namespace fk
