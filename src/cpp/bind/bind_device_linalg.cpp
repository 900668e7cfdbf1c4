// What the host side of a device is told of a singular value decomposition.
#include <pybind11/stl.h>

#include <cmath>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/svd_arguments.hpp"

namespace fk {

namespace {

py::array svd_shape(const py::object& a_in, const std::optional<std::int64_t>& k, bool full_matrices, bool compute_uv,
                    const std::string& method, std::int64_t oversample, std::int64_t iterations, std::int64_t seed) {
    const svd::Params params{.k = k,
                             .full = full_matrices,
                             .vectors = compute_uv,
                             .method = method,
                             .oversample = oversample,
                             .iterations = iterations,
                             .seed = seed};
    const py::array a = as_array(a_in, "a");
    py::array owner;
    return shape_record(is_float64(a) ? svd_shape_of(matrices_in<double>(a, owner), params)
                                      : svd_shape_of(matrices_in<float>(a, owner), params));
}

// The dense numbers of a, the power of two that each matrix is to be multiplied with, and the exponent by which its singular
// values are raised in return. Where a multiplication on the device could meet numbers that it takes for zero, it is done here.
template <class T> py::tuple svd_numbers_of(const py::object& a_in) {
    constexpr int far = sizeof(T) == 8 ? 500 : 60;
    py::array owner;
    View<const T> a = matrices_in<T>(a_in, owner);
    std::vector<int> exponents;
    {
        const py::gil_scoped_release released;
        exponents = svd::exponents<T>(a, chosen_threads());
    }
    const auto batch = static_cast<py::ssize_t>(exponents.size());
    py::array_t<T> scales(batch);
    py::array_t<int> raised(batch);
    bool whole = true;
    for (py::ssize_t b = 0; b < batch; ++b) {
        const int exponent = exponents[static_cast<std::size_t>(b)];
        scales.mutable_at(b) = std::ldexp(T(1), -exponent);
        raised.mutable_at(b) = exponent;
        whole = whole && std::abs(exponent) <= far;
    }
    a.rank = 3;
    if (whole && a.contiguous()) {
        return py::make_tuple(owner, scales, raised);
    }
    py::array_t<T> dense(std::vector<py::ssize_t>{a.dims[0], a.dims[1], a.dims[2]});
    T* to = dense.mutable_data();
    T* scale = scales.mutable_data();
    {
        const py::gil_scoped_release released;
        copy_dense(a, to);
        const std::int64_t size = a.dims[1] * a.dims[2];
        for (py::ssize_t b = 0; !whole && b < batch; ++b, to += size) {
            for (std::int64_t i = 0; i < size; ++i) {
                to[i] *= scale[b];
            }
            scale[b] = 1;
        }
    }
    return py::make_tuple(dense, scales, raised);
}

py::tuple svd_numbers(const py::object& a_in) {
    const py::array a = as_array(a_in, "a");
    return is_float64(a) ? svd_numbers_of<double>(a) : svd_numbers_of<float>(a);
}

// The Gaussian numbers that the randomized method starts from, [columns, rows].
template <class T> py::array sketch_of(std::uint64_t seed, std::int64_t rows, std::int64_t columns) {
    py::array_t<T> numbers(std::vector<py::ssize_t>{columns, rows});
    svd::sketch<T>(seed, rows, columns, numbers.mutable_data(), rows);
    return numbers;
}

py::array svd_sketch(const py::array& record, std::int64_t rows, std::int64_t columns) {
    const auto& shape = shape_in<fk_svd_shape>(record);
    require(rows >= 1 && columns >= 1 && columns <= rows, "a sketch must be [rows, columns] with 1 <= columns <= rows, is [",
            rows, ", ", columns, "]");
    return shape.wide_type != 0 ? sketch_of<double>(svd::seed_of(shape), rows, columns)
                                : sketch_of<float>(svd::seed_of(shape), rows, columns);
}

} // namespace

void bind_device_linalg(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_svd_shape, batch, m, n, k, full, vectors, method, oversample, iterations, seed_low, seed_high,
                         wide_type);
    m.def("svd_shape", &svd_shape, py::arg("a"), py::arg("k"), py::arg("full_matrices"), py::arg("compute_uv"), py::arg("method"),
          py::arg("oversample"), py::arg("iterations"), py::arg("seed"));
    m.def("svd_numbers", &svd_numbers, py::arg("a"));
    m.def("svd_sketch", &svd_sketch, py::arg("shape"), py::arg("rows"), py::arg("columns"));
    add_device_op<fk_svd_shape>("svd", &svd::choose_device_kernel, &svd::cost);
}

} // namespace fk
