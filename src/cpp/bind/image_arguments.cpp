#include "bind/image_arguments.hpp"

#include <array>

#include "base/tensor.hpp"

namespace fk {

namespace {

// [H, W] as [H, W, 1].
template <class T> View<const T> with_channels(View<const T> image) {
    if (image.rank == 2) {
        image.rank = 3;
        image.dims[2] = 1;
        image.strides[2] = 1;
    }
    return image;
}

template <class T> std::array<std::int64_t, 3> three(const View<const T>& v) { return {v.dims[0], v.dims[1], v.dims[2]}; }

// [2, 3] or [K, 2, 3], float64 or float32, dense.
Tensor<double> matrices_in(const py::object& object, py::array& array, bool& batched, std::int64_t& count) {
    array = as_array(object, "matrix");
    const bool single = array.dtype().equal(py::dtype::of<float>());
    if (!single && !array.dtype().equal(py::dtype::of<double>())) {
        throw TypeError(
            message("matrix must be float64 or float32, is ", dtype_name(array), "; pass matrix.astype(\"float64\")"));
    }
    batched = array.ndim() == 3;
    require((array.ndim() == 2 || batched) && array.shape(array.ndim() - 2) == 2 && array.shape(array.ndim() - 1) == 3,
            "matrix must have the shape [2, 3] or [K, 2, 3], has ", shape_text(array));
    count = batched ? array.shape(0) : 1;
    Tensor<double> dense(count * 6);
    py::array owner;
    if (single) {
        Tensor<float> values(count * 6);
        copy_dense(view_in<float>(array, "matrix", 2, 3, owner), values.data());
        std::copy(values.data(), values.data() + count * 6, dense.data());
    } else {
        copy_dense(view_in<double>(array, "matrix", 2, 3, owner), dense.data());
    }
    return dense;
}

} // namespace

GrayArguments::GrayArguments(const py::object& rgb)
    : x(view_in<std::uint8_t>(rgb, "rgb", 3, 3, owner)), shape(gray::infer({.x = three(x)})) {}

template <class T>
ResizeArguments<T>::ResizeArguments(const py::array& image, const py::object& size, const std::string& method_name) {
    const std::array<std::int64_t, 2> sides = size_in(size, "size");
    const resize::Method method = resize::method_from_name(method_name);
    const View<const T> given = view_in<T>(image, "image", 2, 3, owner);
    x = with_channels(given);
    shape = resize::infer(
        {.x = three(x), .height = sides[0], .width = sides[1], .method = method, .is_float = std::is_same_v<T, float>});
    dims = {shape.oh, shape.ow};
    if (given.rank == 3) {
        dims.push_back(shape.channels);
    }
}

template <class T> WarpArguments<T>::WarpArguments(const py::array& image, const py::object& matrix, const py::object& size,
                                                   const std::string& border, double fill, bool antialias) {
    const std::array<std::int64_t, 2> sides = size_in(size, "size");
    warp::Params params{.height = sides[0],
                        .width = sides[1],
                        .border = warp::border_from_name(border),
                        .fill = fill,
                        .antialias = antialias,
                        .is_float = std::is_same_v<T, float>};
    const View<const T> given = view_in<T>(image, "image", 2, 3, owner);
    x = with_channels(given);
    params.x = three(x);
    bool batched = false;
    matrices = matrices_in(matrix, matrix_owner, batched, params.count);
    params.matrices = matrices.data();
    shape = warp::infer(params);
    dims = {shape.oh, shape.ow};
    if (batched) {
        dims.insert(dims.begin(), shape.count);
    }
    if (given.rank == 3) {
        dims.push_back(shape.channels);
    }
}

IntegralArguments::IntegralArguments(const py::object& gray, bool squared, bool tilted)
    : x(view_in<std::uint8_t>(gray, "gray", 2, 2, owner)),
      shape(integral::infer({.height = x.dims[0], .width = x.dims[1], .squared = squared, .tilted = tilted})) {
    require(x.strides[1] == 1 || shape.width == 1, "gray: the stride of axis 1 is ", x.strides[1],
            " bytes, pixels of a row must stand together; pass numpy.ascontiguousarray(gray)");
}

template struct ResizeArguments<std::uint8_t>;
template struct ResizeArguments<float>;
template struct WarpArguments<std::uint8_t>;
template struct WarpArguments<float>;

} // namespace fk
