#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/conv2d_arguments.hpp"
#include "bind/convert.hpp"
#include "bind/layers.hpp"
#include "ops/reorder/reorder.hpp"

namespace fk {

namespace {

py::array_t<float> conv2d_call(const py::object& x_in, const py::object& w_in, const py::object& b_in, const py::object& stride,
                               const py::object& padding, const py::object& dilation, std::int64_t groups,
                               const py::object& activation, const std::optional<float>& alpha,
                               const std::optional<py::object>& out) {
    const Conv2dArguments arguments(x_in, w_in, b_in, stride, padding, dilation, groups, activation, alpha);
    const auto& [x_owner, w_owner, b_owner, x, w, b, shape] = arguments;
    py::array_t<float> y =
        output_array<float>(out, {shape.n, shape.oc, shape.oh, shape.ow}, {{"x", x_owner}, {"w", w_owner}, {"b", b_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const KeepAwake awake(threads);
    Tensor<float> w_copy;
    Tensor<float> b_copy;
    const float* weights = dense_values(w, w_copy);
    const float* bias = b.data != nullptr ? dense_values(b, b_copy) : nullptr;
    // A picture of one or three channels would fill its blocks with zeros; the kernels read it as it is.
    const conv2d::Plan plan(shape, weights, bias, shape.ic < 4, threads, conv2d::PlanFor::one_call);
    const int block = plan.block();
    Scratch scratch(plan.scratch(), threads);
    const int x_block = plan.planar() ? 1 : block;
    const bool as_it_is = x_block == 1 && x.contiguous();
    Tensor<float> blocked_x = Tensor<float>::unset(as_it_is ? 0 : shape.n * round_up(shape.ic, x_block) * shape.ih * shape.iw);
    Tensor<float> blocked_y = Tensor<float>::unset(shape.n * round_up(shape.oc, block) * shape.oh * shape.ow);
    if (!as_it_is) {
        reorder::to_blocked(x, x_block, blocked_x.data(), threads);
    }
    plan.run(as_it_is ? x.data : blocked_x.data(), blocked_y.data(), nullptr, shape.n, scratch);
    reorder::from_blocked(blocked_y.data(), shape.n, shape.oc, std::int64_t(shape.oh) * shape.ow, block, to, threads);
    return y;
}

} // namespace

void bind_nn(py::module_& m) {
    m.def("conv2d", &conv2d_call, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
          py::arg("dilation"), py::arg("groups"), py::arg("activation"), py::arg("alpha"), py::arg("out"));
}

} // namespace fk
