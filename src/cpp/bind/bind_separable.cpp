#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layer_arguments.hpp"

namespace fk {

namespace {

py::array_t<float> depthwise_separable(const py::object& x_in, const py::object& w_dw_in, const py::object& w_pw_in,
                                       const py::object& b_in, const py::object& b_dw_in, const py::object& stride,
                                       const py::object& padding, const py::object& dilation, const py::object& activation_dw,
                                       const py::object& activation, const std::optional<float>& alpha,
                                       const std::optional<py::object>& out) {
    const SeparableArguments arguments(x_in, w_dw_in, w_pw_in, b_in, b_dw_in, stride, padding, dilation, activation_dw,
                                       activation, alpha);
    const auto& [x_owner, dw_owner, pw_owner, x, w_dw, w_pw, b, b_dw, first, second] = arguments;
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
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, nullptr, arguments.second.n, scratch); });
    return y;
}

} // namespace

void bind_separable(py::module_& m) {
    m.def("depthwise_separable", &depthwise_separable, py::arg("x"), py::arg("w_dw"), py::arg("w_pw"), py::arg("b"),
          py::arg("b_dw"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("activation_dw"),
          py::arg("activation"), py::arg("alpha"), py::arg("out"));
}

} // namespace fk
