#include "bind/convert.hpp"

#include <cmath>

namespace fk {

namespace {
// The mask of a masked array stands beside its memory; reading the memory alone would count what it hides.
void refuse_masked(const py::object& object, const char* name) {
    const bool plain = Py_TYPE(object.ptr()) == py::detail::npy_api::get().PyArray_Type_;
    if (plain || !py::hasattr(object, "mask")) {
        return;
    }
    if (py::isinstance(object, py::module_::import("numpy.ma").attr("MaskedArray"))) {
        throw TypeError(message(name, " is a masked array; pass ", name, ".filled(value)"));
    }
}
} // namespace

py::array as_array(const py::object& object, const char* name) {
    if (py::isinstance<py::array>(object)) {
        refuse_masked(object, name);
        return py::reinterpret_borrow<py::array>(object);
    }
    const py::module_ numpy = py::module_::import("numpy");
    if (py::hasattr(object, "__array_interface__")) {
        return numpy.attr("asarray")(object);
    }
    if (py::hasattr(object, "__dlpack__")) {
        try {
            return numpy.attr("from_dlpack")(object);
        } catch (py::error_already_set& error) {
            throw TypeError(message(name, " offers DLPack, but not in the memory of the host: ", error.what()));
        }
    }
    throw TypeError(message(name, " must be a NumPy array (or offer __array_interface__ or host DLPack), is ",
                            std::string(py::str(py::type::of(object).attr("__name__")))));
}

std::string dtype_name(const py::array& array) {
    const std::string name = py::str(array.dtype().attr("name"));
    return array.dtype().attr("isnative").cast<bool>() ? name : name + " of foreign byte order";
}

std::string shape_text(const py::array& array) {
    std::string text = "[";
    for (py::ssize_t d = 0; d < array.ndim(); ++d) {
        text += (d != 0 ? ", " : "") + std::to_string(array.shape(d));
    }
    return text + "]";
}

void check_array(const py::array& array, const char* name, const py::dtype& dtype, const char* dtype_text, int least_rank,
                 int most_rank) {
    if (!array.dtype().equal(dtype)) {
        throw TypeError(
            message(name, " must be ", dtype_text, ", is ", dtype_name(array), "; pass ", name, ".astype(\"", dtype_text, "\")"));
    }
    if (array.ndim() < least_rank || array.ndim() > most_rank) {
        const std::string expected = least_rank == most_rank ? std::to_string(least_rank)
                                                             : std::to_string(least_rank) + " to " + std::to_string(most_rank);
        throw ValueError(
            message(name, " must have ", expected, " dimensions, has ", array.ndim(), ": shape ", shape_text(array)));
    }
}

void check_aligned(const py::array& array, const char* name) {
    require((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0, name, ": its memory is not aligned to items of ",
            array.itemsize(), " bytes; pass ", name, ".copy()");
}

namespace {
std::pair<const char*, const char*> byte_range(const py::array& array) {
    const char* low = static_cast<const char*>(array.data());
    const char* high = low;
    for (py::ssize_t d = 0; d < array.ndim(); ++d) {
        if (array.shape(d) == 0) {
            return {low, low};
        }
        const py::ssize_t reach = (array.shape(d) - 1) * array.strides(d);
        (reach < 0 ? low : high) += reach;
    }
    return {low, high + array.itemsize()};
}

std::int64_t integer_in(const py::handle& object, const char* name) {
    if (!py::isinstance<py::int_>(object) && !py::hasattr(object, "__index__")) {
        throw TypeError(message(name, " must be an integer, is ", std::string(py::str(py::type::of(object).attr("__name__")))));
    }
    const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
    if (!index) {
        throw py::error_already_set();
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    require(overflow == 0, name, " is out of range");
    return value;
}
} // namespace

bool may_overlap(const py::array& a, const py::array& b) {
    const auto [a_low, a_high] = byte_range(a);
    const auto [b_low, b_high] = byte_range(b);
    const bool empty = a_low == a_high || b_low == b_high;
    return !empty && a_low < b_high && b_low < a_high;
}

std::array<std::int64_t, 2> pair_in(const py::object& object, const char* name) {
    if (py::isinstance<py::sequence>(object) && !py::isinstance<py::str>(object)) {
        const auto sequence = py::reinterpret_borrow<py::sequence>(object);
        require(sequence.size() == 2, name, " must be a number or two (vertical, horizontal), has ", sequence.size());
        return {integer_in(sequence[0], name), integer_in(sequence[1], name)};
    }
    const std::int64_t value = integer_in(object, name);
    return {value, value};
}

std::array<std::int64_t, 2> size_in(const py::object& object, const char* name) {
    require(py::isinstance<py::sequence>(object) && !py::isinstance<py::str>(object) && py::len(object) == 2, name,
            " must be two numbers, (height, width)");
    return pair_in(object, name);
}

Padding padding_in(const py::object& object) {
    if (py::isinstance<py::str>(object)) {
        const auto text = object.cast<std::string>();
        require(text == "same" || text == "valid", "padding must be \"same\", \"valid\" or numbers, is \"", text, "\"");
        return {.kind = text == "same" ? Padding::Kind::same : Padding::Kind::valid, .sides = {}};
    }
    if (py::isinstance<py::sequence>(object)) {
        const auto s = py::reinterpret_borrow<py::sequence>(object);
        require(s.size() == 2 || s.size() == 4,
                "padding must have 1, 2 (vertical, horizontal) or 4 numbers (top, bottom, left, right), has ", s.size());
        const auto at = [&](std::size_t i) { return integer_in(s[i], "padding"); };
        return {.kind = Padding::Kind::explicit_,
                .sides = s.size() == 2 ? std::array{at(0), at(0), at(1), at(1)} : std::array{at(0), at(1), at(2), at(3)}};
    }
    const std::int64_t p = integer_in(object, "padding");
    return {.kind = Padding::Kind::explicit_, .sides = {p, p, p, p}};
}

Activation activation_in(const py::object& name, const std::optional<float>& alpha) {
    if (name.is_none()) {
        return {};
    }
    if (!py::isinstance<py::str>(name)) {
        throw TypeError(
            message("activation must be a name or None, is ", std::string(py::str(py::type::of(name).attr("__name__")))));
    }
    const int kind = activation_kind(name.cast<std::string>());
    require(!alpha.has_value() || std::isfinite(*alpha), "alpha must be finite");
    return {.kind = kind, .alpha = alpha.value_or(activation_default_alpha(kind))};
}

} // namespace fk
