#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/convert.hpp"
#include "ops/gray/gray.hpp"
#include "ops/resize/resize.hpp"
#include "ops/warp/warp.hpp"

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

// Pictures are uint8 or float32: f.operator()<T>() with the one that `image` holds.
template <class F> py::array for_pixels(const py::array& image, F&& f) {
    if (image.dtype().equal(py::dtype::of<std::uint8_t>())) {
        return f.template operator()<std::uint8_t>();
    }
    if (image.dtype().equal(py::dtype::of<float>())) {
        return f.template operator()<float>();
    }
    throw TypeError(message("image must be uint8 or float32, is ", dtype_name(image),
                            "; pass image.astype(\"uint8\") or image.astype(\"float32\")"));
}

py::array to_gray_call(const py::object& rgb, const std::optional<py::object>& out) {
    py::array owner;
    const View<const std::uint8_t> x = view_in<std::uint8_t>(rgb, "rgb", 3, 3, owner);
    const gray::Shape shape = gray::infer({.x = three(x)});
    py::array_t<std::uint8_t> y = output_array<std::uint8_t>(out, {shape.height, shape.width}, {{"rgb", owner}});
    std::uint8_t* to = y.mutable_data();
    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const gray::Plan plan(shape, x.strides[2] == 1 && x.strides[1] == shape.channels, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(x, to, scratch);
    return y;
}

template <class T> py::array resize_as(const py::array& image, const std::array<std::int64_t, 2>& size, resize::Method method,
                                       const std::optional<py::object>& out) {
    py::array owner;
    const View<const T> given = view_in<T>(image, "image", 2, 3, owner);
    const View<const T> x = with_channels(given);
    const resize::Shape shape = resize::infer(
        {.x = three(x), .height = size[0], .width = size[1], .method = method, .is_float = std::is_same_v<T, float>});
    std::vector<py::ssize_t> dims{shape.oh, shape.ow};
    if (given.rank == 3) {
        dims.push_back(shape.channels);
    }
    py::array_t<T> y = output_array<T>(out, dims, {{"image", owner}});
    T* to = y.mutable_data();
    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const resize::Plan plan(shape, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(x, to, scratch);
    return y;
}

py::array resize_call(const py::object& image, const py::object& size, const std::string& method,
                      const std::optional<py::object>& out) {
    const py::array array = as_array(image, "image");
    return for_pixels(
        array, [&]<class T>() { return resize_as<T>(array, size_in(size, "size"), resize::method_from_name(method), out); });
}

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

struct WarpOptions {
    std::array<std::int64_t, 2> size;
    warp::Border border;
    double fill;
    bool antialias;
};

template <class T> py::array warp_as(const py::array& image, const py::object& matrix, const WarpOptions& options,
                                     const std::optional<py::object>& out) {
    py::array owner;
    const View<const T> given = view_in<T>(image, "image", 2, 3, owner);
    const View<const T> x = with_channels(given);
    bool batched = false;
    warp::Params params{.x = three(x),
                        .height = options.size[0],
                        .width = options.size[1],
                        .border = options.border,
                        .fill = options.fill,
                        .antialias = options.antialias,
                        .is_float = std::is_same_v<T, float>};
    py::array matrix_owner;
    const Tensor<double> matrices = matrices_in(matrix, matrix_owner, batched, params.count);
    params.matrices = matrices.data();
    const warp::Shape shape = warp::infer(params);
    std::vector<py::ssize_t> dims{shape.oh, shape.ow};
    if (batched) {
        dims.insert(dims.begin(), shape.count);
    }
    if (given.rank == 3) {
        dims.push_back(shape.channels);
    }
    py::array_t<T> y = output_array<T>(out, dims, {{"image", owner}, {"matrix", matrix_owner}});
    T* to = y.mutable_data();
    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const warp::Plan plan(shape, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(x, matrices.data(), to, scratch);
    return y;
}

py::array warp_call(const py::object& image, const py::object& matrix, const py::object& size, const std::string& border,
                    double fill, bool antialias, const std::optional<py::object>& out) {
    const py::array array = as_array(image, "image");
    return for_pixels(array, [&]<class T>() {
        const WarpOptions options{
            .size = size_in(size, "size"), .border = warp::border_from_name(border), .fill = fill, .antialias = antialias};
        return warp_as<T>(array, matrix, options, out);
    });
}

// (operations, bytes read, bytes written) of one call, as the op's cost() says, for benchmarks.
py::tuple image_cost(const std::string& op, const std::array<std::int64_t, 3>& image, const std::array<std::int64_t, 2>& size,
                     const std::string& method, std::int64_t count, bool is_float) {
    Cost cost;
    if (op == "gray") {
        cost = gray::cost(gray::infer({.x = image}));
    } else if (op == "resize") {
        cost = resize::cost(resize::infer(
            {.x = image, .height = size[0], .width = size[1], .method = resize::method_from_name(method), .is_float = is_float}));
    } else {
        require(op == "warp", "unknown op '", op, "'; known: gray, resize, warp");
        const Tensor<double> matrices(count * 6);
        cost = warp::cost(warp::infer({.x = image,
                                       .matrices = matrices.data(),
                                       .count = count,
                                       .height = size[0],
                                       .width = size[1],
                                       .is_float = is_float}));
    }
    return py::make_tuple(cost.flops, cost.bytes_read, cost.bytes_written);
}

} // namespace

void bind_image(py::module_& m) {
    m.def("to_gray", &to_gray_call, py::arg("rgb"), py::arg("out"));
    m.def("resize", &resize_call, py::arg("image"), py::arg("size"), py::arg("method"), py::arg("out"));
    m.def("warp", &warp_call, py::arg("image"), py::arg("matrix"), py::arg("size"), py::arg("border"), py::arg("fill"),
          py::arg("antialias"), py::arg("out"));
    m.def("image_cost", &image_cost, py::arg("op"), py::arg("image"), py::arg("size"), py::arg("method"), py::arg("count"),
          py::arg("is_float"));
}

} // namespace fk
