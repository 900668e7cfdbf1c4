#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/image_arguments.hpp"

namespace fk {

namespace {

py::array to_gray_call(const py::object& rgb, const std::optional<py::object>& out) {
    const GrayArguments a(rgb);
    py::array_t<std::uint8_t> y = output_array<std::uint8_t>(out, {a.shape.height, a.shape.width}, {{"rgb", a.owner}});
    std::uint8_t* to = y.mutable_data();
    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const gray::Plan plan(a.shape, a.x.strides[2] == 1 && a.x.strides[1] == a.shape.channels, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(a.x, to, scratch);
    return y;
}

template <class T> py::array resize_as(const ResizeArguments<T>& a, const std::optional<py::object>& out) {
    py::array_t<T> y = output_array<T>(out, a.dims, {{"image", a.owner}});
    T* to = y.mutable_data();
    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const resize::Plan plan(a.shape, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(a.x, to, scratch);
    return y;
}

py::array resize_call(const py::object& image, const py::object& size, const std::string& method,
                      const std::optional<py::object>& out) {
    const py::array array = as_array(image, "image");
    return for_pixels(array, [&]<class T>() { return resize_as<T>(ResizeArguments<T>(array, size, method), out); });
}

template <class T> py::array warp_as(const WarpArguments<T>& a, const std::optional<py::object>& out) {
    py::array_t<T> y = output_array<T>(out, a.dims, {{"image", a.owner}, {"matrix", a.matrix_owner}});
    T* to = y.mutable_data();
    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const warp::Plan plan(a.shape, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(a.x, a.matrices.data(), to, scratch);
    return y;
}

py::array warp_call(const py::object& image, const py::object& matrix, const py::object& size, const std::string& border,
                    double fill, bool antialias, const std::optional<py::object>& out) {
    const py::array array = as_array(image, "image");
    return for_pixels(array,
                      [&]<class T>() { return warp_as<T>(WarpArguments<T>(array, matrix, size, border, fill, antialias), out); });
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
