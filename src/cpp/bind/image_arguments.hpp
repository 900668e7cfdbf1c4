// The arguments of the ops on pictures, read and judged once for the processor and for devices.
#pragma once

#include <vector>

#include "bind/convert.hpp"
#include "ops/gray/gray.hpp"
#include "ops/integral/integral.hpp"
#include "ops/resize/resize.hpp"
#include "ops/warp/warp.hpp"

namespace fk {

// Pictures are uint8 or float32: f.operator()<T>() with the one that `image` holds.
template <class F> auto for_pixels(const py::array& image, F&& f) {
    if (image.dtype().equal(py::dtype::of<std::uint8_t>())) {
        return f.template operator()<std::uint8_t>();
    }
    if (image.dtype().equal(py::dtype::of<float>())) {
        return f.template operator()<float>();
    }
    throw TypeError(message("image must be uint8 or float32, is ", dtype_name(image),
                            "; pass image.astype(\"uint8\") or image.astype(\"float32\")"));
}

struct GrayArguments {
    explicit GrayArguments(const py::object& rgb);

    py::array owner;
    View<const std::uint8_t> x;
    gray::Shape shape;
};

// image [H, W] or [H, W, C] of T to another size.
template <class T> struct ResizeArguments {
    ResizeArguments(const py::array& image, const py::object& size, const std::string& method);

    py::array owner;
    View<const T> x; // [H, W, C]
    resize::Shape shape;
    std::vector<py::ssize_t> dims; // of the result
};

// Views of image [H, W] or [H, W, C] of T under matrix [2, 3] or [K, 2, 3].
template <class T> struct WarpArguments {
    WarpArguments(const py::array& image, const py::object& matrix, const py::object& size, const std::string& border,
                  double fill, bool antialias);

    py::array owner, matrix_owner;
    View<const T> x; // [H, W, C]
    Tensor<double> matrices;
    warp::Shape shape;
    std::vector<py::ssize_t> dims; // of the result
};

struct IntegralArguments {
    IntegralArguments(const py::object& gray, bool squared, bool tilted);

    py::array owner;
    View<const std::uint8_t> x;
    integral::Shape shape;
};

} // namespace fk
