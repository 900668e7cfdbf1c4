#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layers.hpp"
#include "ops/separable/separable.hpp"

namespace fk {

namespace {

// An inferred shape; what is wrong is said of that half.
template <class Infer> auto half(const char* name, Infer&& infer) {
    try {
        return infer();
    } catch (const ValueError& e) {
        throw ValueError(message(name, ": ", e.what()));
    }
}

py::array_t<float> depthwise_separable(const py::object& x_in, const py::object& w_dw_in, const py::object& w_pw_in,
                                       const py::object& b_in, const py::object& b_dw_in, const py::object& stride,
                                       const py::object& padding, const py::object& dilation, const py::object& activation_dw,
                                       const py::object& activation, const std::optional<float>& alpha,
                                       const std::optional<py::object>& out) {
    py::array x_owner;
    py::array dw_owner;
    py::array pw_owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, x_owner);
    const View<const float> w_dw = view_in<float>(w_dw_in, "w_dw", 4, 4, dw_owner);
    const View<const float> w_pw = view_in<float>(w_pw_in, "w_pw", 4, 4, pw_owner);
    const Vector b(b_in, "b");
    const Vector b_dw(b_dw_in, "b_dw");
    const WindowParams window{.size = {},
                              .stride = pair_in(stride, "stride"),
                              .dilation = pair_in(dilation, "dilation"),
                              .padding = padding_in(padding)};
    const depthwise::Shape first = half("depthwise", [&] {
        return depthwise::infer({.x = four(x),
                                 .w = four(w_dw),
                                 .bias = b_dw.length(),
                                 .window = window,
                                 .activation = activation_in(activation_dw, std::nullopt)});
    });
    const conv2d::Shape second = half("pointwise", [&] {
        conv2d::Params params;
        params.x = {first.n, first.oc, first.oh, first.ow};
        params.w = four(w_pw);
        params.bias = b.length();
        params.activation = activation_in(activation, alpha);
        return conv2d::infer(params);
    });
    py::array_t<float> y =
        output_array<float>(out, {second.n, second.oc, second.oh, second.ow},
                            {{"x", x_owner}, {"w_dw", dw_owner}, {"w_pw", pw_owner}, {"b", b.owner}, {"b_dw", b_dw.owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    Tensor<float> dw_storage;
    Tensor<float> pw_storage;
    const Tensor<float> bias = b.dense();
    const Tensor<float> bias_dw = b_dw.dense();
    const separable::Plan plan(first, {dense_values(w_dw, dw_storage), bias_dw.data()}, second,
                               {dense_values(w_pw, pw_storage), bias.data()}, threads);
    note_kernel("separable", plan.kernel().name, plan.kernel().isa);
    through_blocks(plan, x, second.oc, std::int64_t(second.oh) * second.ow, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, nullptr, second.n, scratch); });
    return y;
}

} // namespace

void bind_separable(py::module_& m) {
    m.def("depthwise_separable", &depthwise_separable, py::arg("x"), py::arg("w_dw"), py::arg("w_pw"), py::arg("b"),
          py::arg("b_dw"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("activation_dw"),
          py::arg("activation"), py::arg("alpha"), py::arg("out"));
}

} // namespace fk
