#include "bind/grey_frame.hpp"

#include <cmath>

namespace fk {

namespace {
constexpr float brightest = 256; // in units of the largest grey level: squares of squares of it stay far from overflow
}

template <class T> void GreyFrame::read(const py::array& array, const char* name) {
    const View<const T> view = view_in<T>(array, name, 2, 2, owner);
    pixels = view.data;
    size = {view.dims[0], view.dims[1]};
    row = view.strides[0];
    pixel = view.strides[1];
    is_float = std::is_same_v<T, float>;
}

GreyFrame::GreyFrame(const py::object& object, const char* name) {
    const py::array array = as_array(object, name);
    if (array.dtype().equal(py::dtype::of<std::uint8_t>())) {
        read<std::uint8_t>(array, name);
    } else if (array.dtype().equal(py::dtype::of<float>())) {
        read<float>(array, name);
    } else {
        throw TypeError(message(name, " must be uint8 or float32, is ", dtype_name(array), "; pass ", name,
                                ".astype(\"uint8\") or ", name, ".astype(\"float32\")"));
    }
}

void GreyFrame::require_sound(const char* name, double white) const {
    require(!is_float || within(static_cast<const float*>(pixels), row, size[0], size[1], brightest * static_cast<float>(white)),
            name, " must be finite and within ", brightest, " times white, which is ", white);
}

template <class T> static py::array copied(const GreyFrame& frame) {
    py::array_t<T> pixels({frame.size[0], frame.size[1]});
    View<const T> view{.data = static_cast<const T*>(frame.pixels), .rank = 2};
    view.dims = {frame.size[0], frame.size[1]};
    view.strides = {frame.row, frame.pixel};
    T* to = pixels.mutable_data();
    const py::gil_scoped_release released;
    copy_dense(view, to);
    return pixels;
}

py::array GreyFrame::dense() const {
    if ((owner.flags() & py::array::c_style) != 0) {
        return owner;
    }
    return is_float ? copied<float>(*this) : copied<std::uint8_t>(*this);
}

bool within(const float* values, std::int64_t row, std::int64_t height, std::int64_t width, float most) {
    bool good = true;
    for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
            good &= std::abs(values[y * row + x]) <= most; // false for what is no number
        }
    }
    return good;
}

} // namespace fk
