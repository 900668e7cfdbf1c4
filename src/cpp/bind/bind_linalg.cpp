// Decompositions of matrices.
#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/svd_arguments.hpp"

namespace fk {

namespace {

// u, s, vt (u and vt None without vectors) and the way that was taken
using Answer = std::tuple<py::object, py::object, py::object, std::string>;

template <class T> Answer svd_of(const py::object& a_in, svd::Params params) {
    py::array owner;
    const View<const T> a = matrices_in<T>(a_in, owner);
    const bool batched = a.rank == 3;
    const svd::Shape shape = svd_shape_of(a, params);
    const auto array = [&](std::vector<py::ssize_t> dims) {
        if (batched) {
            dims.insert(dims.begin(), shape.batch);
        }
        return py::array_t<T>(dims);
    };
    py::array_t<T> s = array({shape.k});
    py::object u_object = py::none();
    py::object vt_object = py::none();
    svd::Results<T> to{nullptr, s.mutable_data(), nullptr};
    if (shape.vectors != 0) {
        py::array_t<T> u = array({shape.m, svd::u_columns(shape)});
        py::array_t<T> vt = array({svd::vt_rows(shape), shape.n});
        to.u = u.mutable_data();
        to.vt = vt.mutable_data();
        u_object = std::move(u);
        vt_object = std::move(vt);
    }
    std::string way;
    {
        const py::gil_scoped_release released;
        const int threads = chosen_threads();
        const KeepAwake awake(threads); // there are many short loops, with work of one thread between
        way = svd::decompose<T>(shape, a, to, threads);
    }
    return {u_object, s, vt_object, way};
}

Answer svd_call(const py::object& a, const std::optional<std::int64_t>& k, bool full_matrices, bool compute_uv,
                const std::string& method, std::int64_t oversample, std::int64_t iterations, std::int64_t seed) {
    const svd::Params params{.k = k,
                             .full = full_matrices,
                             .vectors = compute_uv,
                             .method = method,
                             .oversample = oversample,
                             .iterations = iterations,
                             .seed = seed};
    const py::array array = as_array(a, "a");
    return is_float64(array) ? svd_of<double>(array, params) : svd_of<float>(array, params);
}

} // namespace

void bind_linalg(py::module_& m) {
    m.def("svd", &svd_call, py::arg("a"), py::arg("k"), py::arg("full_matrices"), py::arg("compute_uv"), py::arg("method"),
          py::arg("oversample"), py::arg("iterations"), py::arg("seed"));
}

} // namespace fk
