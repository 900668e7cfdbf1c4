#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layer_arguments.hpp"

namespace fk {

namespace {

using Out = std::optional<py::object>;

py::array_t<float> gemm_call(const py::object& a_in, const py::object& b_in, const py::object& bias_in, bool transpose_b,
                             const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    const GemmArguments arguments(a_in, b_in, bias_in, transpose_b, activation, alpha);
    const auto& [a_owner, b_owner, a, b, bias, shape] = arguments;
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
    const gemm::Plan plan(shape, from_b, b_rows ? b.strides[0] : b.dims[1], dense_bias.data(), threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(from_a, a_rows ? a.strides[0] : shape.k, to, shape.n, shape.m, scratch);
    return c;
}

py::array_t<float> dense_call(const py::object& x_in, const py::object& w_in, const py::object& b_in,
                              const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    const DenseArguments arguments(x_in, w_in, b_in, activation, alpha);
    const auto& [x_owner, w_owner, x, w, b, shape] = arguments;
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.out}, {{"x", x_owner}, {"w", w_owner}, {"b", b.owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    Tensor<float> x_storage;
    Tensor<float> w_storage;
    const Tensor<float> bias = b.dense();
    const dense::Plan plan(shape, dense_values(w, w_storage), bias.data(), threads, dense::PlanFor::one_call);
    Scratch scratch(plan.scratch(), threads);
    plan.run(dense_values(x, x_storage), to, shape.n, scratch);
    return y;
}

py::array_t<float> elementwise_call(const ElementwiseArguments::Named& a_in, const ElementwiseArguments::Named& b_in,
                                    const Activation& activation, const Out& out) {
    const ElementwiseArguments arguments(a_in, b_in, activation);
    const auto& [a_owner, b_owner, a, b, shape] = arguments;
    py::array_t<float> y = output_array<float>(out, shape_of(a), {{a_in.name, a_owner, true}, {b_in.name, b_owner, true}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    Tensor<float> a_storage;
    Tensor<float> b_storage;
    const elementwise::Plan plan(shape, chosen_threads());
    Scratch scratch;
    plan.run(dense_values(a, a_storage), shape.inputs == 2 ? dense_values(b, b_storage) : nullptr, to, a.size(), scratch);
    return y;
}

py::array_t<float> activate_call(const py::object& x, const py::object& kind, const std::optional<float>& alpha, const Out& out) {
    return elementwise_call({"x", x}, {"", py::none()}, activation_in(kind, alpha), out);
}

py::array_t<float> add_call(const py::object& x1, const py::object& x2, const py::object& activation,
                            const std::optional<float>& alpha, const Out& out) {
    if (x2.is_none()) {
        throw TypeError("x2 must be a NumPy array, is NoneType");
    }
    return elementwise_call({"x1", x1}, {"x2", x2}, activation_in(activation, alpha), out);
}

py::array_t<float> softmax_call(const py::object& x_in, std::int64_t axis, const Out& out) {
    const SoftmaxArguments arguments(x_in, axis);
    const auto& [x_owner, x, along, shape] = arguments;
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
    const std::int64_t count = std::int64_t(shape.n) * shape.inner;
    if (along + 1 == static_cast<std::size_t>(x.rank)) {
        plan.run(from, to, count, scratch);
        return y;
    }
    Tensor<float> results(x.size());
    plan.run(from, results.data(), count, scratch);
    for (std::int64_t row = 0; row < count; ++row) {
        for (std::int64_t i = 0; i < shape.size; ++i) {
            to[(row / shape.inner * shape.size + i) * shape.inner + row % shape.inner] = results[row * shape.size + i];
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
