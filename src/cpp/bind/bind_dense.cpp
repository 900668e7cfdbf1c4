#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layers.hpp"
#include "ops/dense/dense.hpp"
#include "ops/elementwise/elementwise.hpp"
#include "ops/gemm/gemm.hpp"
#include "ops/softmax/softmax.hpp"

namespace fk {

namespace {

using Out = std::optional<py::object>;

std::vector<py::ssize_t> shape_of(const View<const float>& x) { return {x.dims.begin(), x.dims.begin() + x.rank}; }

py::array_t<float> gemm_call(const py::object& a_in, const py::object& b_in, const py::object& bias_in, bool transpose_b,
                             const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    py::array a_owner;
    py::array b_owner;
    const View<const float> a = view_in<float>(a_in, "a", 2, 2, a_owner);
    const View<const float> b = view_in<float>(b_in, "b", 2, 2, b_owner);
    const Vector bias(bias_in, "bias");
    const gemm::Shape shape = gemm::infer({.a = {a.dims[0], a.dims[1]},
                                           .b = {b.dims[0], b.dims[1]},
                                           .transposed = transpose_b,
                                           .bias = bias.length(),
                                           .activation = activation_in(activation, alpha)});
    py::array_t<float> c = output_array<float>(out, {shape.m, shape.n}, {{"a", a_owner}, {"b", b_owner}, {"bias", bias.owner}});
    float* to = c.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const Tensor<float> dense_bias = bias.dense();
    Tensor<float> a_storage;
    Tensor<float> b_storage;
    // Rows may lie apart, in any direction; numbers within a row must stand side by side, else there is a copy.
    const bool a_rows = a.strides[1] == 1 || shape.k == 1;
    const bool b_rows = b.strides[1] == 1 || b.dims[1] == 1;
    const float* from_a = a_rows ? a.data : dense_values(a, a_storage);
    const float* from_b = b_rows ? b.data : dense_values(b, b_storage);
    const gemm::Plan plan(shape, from_b, b_rows ? b.strides[0] : b.dims[1], transpose_b, dense_bias.data(), threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(from_a, a_rows ? a.strides[0] : shape.k, to, shape.n, shape.m, scratch);
    return c;
}

py::array_t<float> dense_call(const py::object& x_in, const py::object& w_in, const py::object& b_in,
                              const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    py::array x_owner;
    py::array w_owner;
    const View<const float> x = view_in<float>(x_in, "x", 2, 2, x_owner);
    const View<const float> w = view_in<float>(w_in, "w", 2, 2, w_owner);
    const Vector b(b_in, "b");
    const dense::Shape shape = dense::infer({.x = {x.dims[0], x.dims[1]},
                                             .w = {w.dims[0], w.dims[1]},
                                             .bias = b.length(),
                                             .activation = activation_in(activation, alpha)});
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.out}, {{"x", x_owner}, {"w", w_owner}, {"b", b.owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    Tensor<float> x_storage;
    Tensor<float> w_storage;
    const Tensor<float> bias = b.dense();
    const dense::Plan plan(shape, dense_values(w, w_storage), bias.data(), threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(dense_values(x, x_storage), to, shape.n, scratch);
    return y;
}

py::array_t<float> elementwise_call(const py::object& a_in, const py::object& b_in, const char* a_name, const char* b_name,
                                    const Activation& activation, const Out& out) {
    py::array a_owner;
    py::array b_owner;
    View<const float> b;
    const View<const float> a = view_in<float>(a_in, a_name, 1, 4, a_owner);
    const bool two = !b_in.is_none();
    if (two) {
        b = view_in<float>(b_in, b_name, 1, 4, b_owner);
        require(a.rank == b.rank && a.dims == b.dims, a_name, " and ", b_name, " must have the same shape: ", a.shape(), " and ",
                b.shape());
    }
    const elementwise::Shape shape = elementwise::infer({.activation = activation, .count = a.size(), .inputs = two ? 2 : 1});
    py::array_t<float> y = output_array<float>(out, shape_of(a), {{a_name, a_owner, true}, {b_name, b_owner, true}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    Tensor<float> a_storage;
    Tensor<float> b_storage;
    const elementwise::Plan plan(shape, chosen_threads());
    Scratch scratch;
    plan.run(dense_values(a, a_storage), two ? dense_values(b, b_storage) : nullptr, to, shape.count, scratch);
    return y;
}

py::array_t<float> activate_call(const py::object& x, const py::object& kind, const std::optional<float>& alpha, const Out& out) {
    return elementwise_call(x, py::none(), "x", "", activation_in(kind, alpha), out);
}

py::array_t<float> add_call(const py::object& x1, const py::object& x2, const py::object& activation,
                            const std::optional<float>& alpha, const Out& out) {
    if (x2.is_none()) {
        throw TypeError("x2 must be a NumPy array, is NoneType");
    }
    return elementwise_call(x1, x2, "x1", "x2", activation_in(activation, alpha), out);
}

py::array_t<float> softmax_call(const py::object& x_in, std::int64_t axis, const Out& out) {
    py::array x_owner;
    const View<const float> x = view_in<float>(x_in, "x", 1, 4, x_owner);
    require(axis >= -x.rank && axis < x.rank, "axis must be from ", -x.rank, " to ", x.rank - 1, ", is ", axis);
    const auto along = static_cast<std::size_t>(axis < 0 ? axis + x.rank : axis);
    const std::int64_t n = x.dims[along];
    const softmax::Shape shape = softmax::infer({.rows = n > 0 ? x.size() / n : 0, .n = n});
    py::array_t<float> y = output_array<float>(out, shape_of(x), {{"x", x_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const softmax::Plan plan(shape, threads);
    Scratch scratch;
    // The axis goes last: rows of it are gathered, and put back where it did not stand last.
    View<const float> rows = x;
    for (std::size_t d = along; d + 1 < static_cast<std::size_t>(x.rank); ++d) {
        std::swap(rows.dims[d], rows.dims[d + 1]);
        std::swap(rows.strides[d], rows.strides[d + 1]);
    }
    Tensor<float> storage;
    const float* from = dense_values(rows, storage);
    if (along + 1 == static_cast<std::size_t>(x.rank)) {
        plan.run(from, to, shape.rows, scratch);
        return y;
    }
    Tensor<float> results(x.size());
    plan.run(from, results.data(), shape.rows, scratch);
    std::int64_t inner = 1;
    for (std::size_t d = along + 1; d < static_cast<std::size_t>(x.rank); ++d) {
        inner *= x.dims[d];
    }
    for (std::int64_t row = 0; row < shape.rows; ++row) {
        for (std::int64_t i = 0; i < n; ++i) {
            to[(row / inner * n + i) * inner + row % inner] = results[row * n + i];
        }
    }
    return y;
}

} // namespace

void bind_dense(py::module_& m) {
    m.def("gemm", &gemm_call, py::arg("a"), py::arg("b"), py::arg("bias"), py::arg("transpose_b"), py::arg("activation"),
          py::arg("alpha"), py::arg("out"));
    m.def("dense", &dense_call, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("activation"), py::arg("alpha"),
          py::arg("out"));
    m.def("activate", &activate_call, py::arg("x"), py::arg("kind"), py::arg("alpha"), py::arg("out"));
    m.def("add", &add_call, py::arg("x1"), py::arg("x2"), py::arg("activation"), py::arg("alpha"), py::arg("out"));
    m.def("softmax", &softmax_call, py::arg("x"), py::arg("axis"), py::arg("out"));
}

} // namespace fk
