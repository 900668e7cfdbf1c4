// What the host side of a device is told of the ops on pictures: shapes, the tables that their plans make, dense arrays.
#include <pybind11/stl.h>

#include <map>

#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/image_arguments.hpp"

namespace fk {

namespace {

py::array gray_shape(const py::object& rgb) { return shape_record(GrayArguments(rgb).shape); }

py::array resize_shape(const py::object& image, const py::object& size, const std::string& method) {
    const py::array array = as_array(image, "image");
    return shape_record(for_pixels(array, [&]<class T>() { return ResizeArguments<T>(array, size, method).shape; }));
}

// Taps [oh] of the rows and [ow] of the columns, and what the sums are divided by.
py::tuple resize_taps(const py::array& record) {
    const auto& s = shape_in<resize::Shape>(record);
    const auto axis = [&](int in, int out, double& scale) {
        const resize::Taps taps(static_cast<resize::Method>(s.method), in, out, 1);
        scale = taps.scale;
        py::array_t<fk_resize_taps> all(out);
        for (int i = 0; i < out; ++i) {
            all.mutable_data()[i] = {taps.first[i], taps.count[i], taps.head[i], taps.tail[i]};
        }
        return all;
    };
    double down = 1;
    double across = 1;
    const py::array rows = axis(s.ih, s.oh, down);
    const py::array columns = axis(s.iw, s.ow, across);
    return py::make_tuple(rows, columns, static_cast<float>(down * across));
}

// (shape, matrices float64 [K, 6], views [K], number of origins)
py::tuple warp_shape(const py::object& image, const py::object& matrix, const py::object& size, const std::string& border,
                     double fill, bool antialias) {
    const py::array array = as_array(image, "image");
    return for_pixels(array, [&]<class T>() {
        const WarpArguments<T> a(array, matrix, size, border, fill, antialias);
        std::int64_t origins = 0;
        const std::vector<fk_warp_view> views = warp::views(a.shape, a.matrices.data(), origins);
        return py::make_tuple(shape_record(a.shape), py::array_t<double>({a.shape.count, 6}, a.matrices.data()),
                              py::array_t<fk_warp_view>(static_cast<py::ssize_t>(views.size()), views.data()), origins);
    });
}

// For a device without float64: what its own kernel calculates elsewhere.
py::array warp_origins(const py::array& record, const py::array_t<double, py::array::c_style>& matrices,
                       const py::array_t<fk_warp_view, py::array::c_style>& views, std::int64_t count) {
    const auto& s = shape_in<warp::Shape>(record);
    require(matrices.size() == 6 * std::int64_t(s.count) && views.size() == s.count, "matrices and views must be those of shape");
    py::array_t<fk_warp_origin> origins(count);
    warp::origins(s, matrices.data(), {views.data(), views.data() + views.size()}, origins.mutable_data());
    return origins;
}

py::array integral_shape(const py::object& gray, bool squared, bool tilted) {
    return shape_record(IntegralArguments(gray, squared, tilted).shape);
}

// What is sent to a device must be dense: the array itself where it is, else a copy made here.
py::array dense_picture(const py::object& object, const char* name) {
    return for_pixels(as_array(object, name), [&]<class T>() -> py::array {
        py::array owner;
        const View<const T> view = view_in<T>(object, name, 2, 3, owner);
        if (view.contiguous()) {
            return owner;
        }
        py::array_t<T> dense(std::vector<py::ssize_t>(owner.shape(), owner.shape() + owner.ndim()));
        T* to = dense.mutable_data();
        const py::gil_scoped_release released;
        copy_dense(view, to);
        return dense;
    });
}

// The array that a result is copied into, as for the processor: `out` or a new one, of the dtype of `like`.
py::array picture_output(const std::optional<py::object>& out, const std::vector<py::ssize_t>& shape, const py::array& like,
                         const std::map<std::string, py::object>& inputs) {
    std::vector<Input> apart;
    apart.reserve(inputs.size());
    for (const auto& [name, object] : inputs) {
        apart.push_back({name, as_array(object, name.c_str())});
    }
    return for_pixels(like, [&]<class T>() -> py::array { return output_array<T>(out, shape, apart); });
}

} // namespace

void bind_device_image(py::module_& m) {
    using namespace py::literals;
    PYBIND11_NUMPY_DTYPE(fk_gray_shape, height, width, channels);
    PYBIND11_NUMPY_DTYPE(fk_resize_shape, ih, iw, channels, oh, ow, method, is_float);
    PYBIND11_NUMPY_DTYPE(fk_resize_taps, first, count, head, tail);
    PYBIND11_NUMPY_DTYPE(fk_warp_shape, ih, iw, channels, count, oh, ow, border, fill, antialias, is_float);
    PYBIND11_NUMPY_DTYPE(fk_warp_origin, column, row, x, y);
    PYBIND11_NUMPY_DTYPE(fk_warp_view, across, down, first, step_x, step_y);
    PYBIND11_NUMPY_DTYPE(fk_integral_shape, height, width, squared, tilted);
    add_device_op<gray::Shape>("gray", &gray::choose_device_kernel, &gray::cost);
    add_device_op<resize::Shape>("resize", &resize::choose_device_kernel, &resize::cost);
    add_device_op<warp::Shape>("warp", &warp::choose_device_kernel, &warp::cost);
    add_device_op<integral::Shape>("integral", &integral::choose_device_kernel, &integral::cost);
    m.def("gray_shape", &gray_shape, "rgb"_a);
    m.def("resize_shape", &resize_shape, "image"_a, "size"_a, "method"_a);
    m.def("resize_taps", &resize_taps, "shape"_a);
    m.def("warp_shape", &warp_shape, "image"_a, "matrix"_a, "size"_a, "border"_a, "fill"_a, "antialias"_a);
    m.def("warp_origins", &warp_origins, "shape"_a, "matrices"_a, "views"_a, "count"_a);
    m.def("integral_shape", &integral_shape, "gray"_a, "squared"_a, "tilted"_a);
    m.def("dense_picture", &dense_picture, "array"_a, "name"_a);
    m.def("picture_output", &picture_output, "out"_a, "shape"_a, "like"_a, "inputs"_a);
}

} // namespace fk
