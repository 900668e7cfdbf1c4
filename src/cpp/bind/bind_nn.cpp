#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/convert.hpp"
#include "ops/conv2d/conv2d.hpp"
#include "ops/reorder/reorder.hpp"

namespace fk {

namespace {

std::array<std::int64_t, 4> four(const std::array<std::int64_t, max_rank>& dims) { return {dims[0], dims[1], dims[2], dims[3]}; }

py::array_t<float> conv2d_call(const py::object& x_in, const py::object& w_in, const py::object& b_in, const py::object& stride,
                               const py::object& padding, const py::object& dilation, std::int64_t groups,
                               const py::object& activation, const std::optional<float>& alpha,
                               const std::optional<py::object>& out) {
    py::array x_owner;
    py::array w_owner;
    py::array b_owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, x_owner);
    const View<const float> w = view_in<float>(w_in, "w", 4, 4, w_owner);
    View<const float> b;
    conv2d::Params params;
    if (!b_in.is_none()) {
        b = view_in<float>(b_in, "b", 1, 1, b_owner);
        params.bias = b.dims[0];
    }
    params.x = four(x.dims);
    params.w = four(w.dims);
    params.window = {.size = {},
                     .stride = pair_in(stride, "stride"),
                     .dilation = pair_in(dilation, "dilation"),
                     .padding = padding_in(padding)};
    params.groups = groups;
    params.activation = activation_in(activation, alpha);
    const fk_conv2d_shape shape = conv2d::infer(params);
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.oc, shape.oh, shape.ow});
    refuse_overlap(y, x_owner, "x");
    refuse_overlap(y, w_owner, "w");
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    Tensor<float> dense_w(w.size());
    copy_dense(w, dense_w.data());
    Tensor<float> dense_b(b.data != nullptr ? shape.oc : 0);
    if (b.data != nullptr) {
        copy_dense(b, dense_b.data());
    }
    const conv2d::Plan plan(shape, dense_w.data(), b.data != nullptr ? dense_b.data() : nullptr, false, threads);
    const int block = plan.block();
    Scratch scratch(plan.scratch(), threads);
    Tensor<float> blocked_x(shape.n * round_up(shape.ic, block) * shape.ih * shape.iw);
    Tensor<float> blocked_y(shape.n * round_up(shape.oc, block) * shape.oh * shape.ow);
    reorder::to_blocked(x, block, blocked_x.data(), threads);
    plan.run(blocked_x.data(), blocked_y.data(), nullptr, shape.n, scratch);
    reorder::from_blocked(blocked_y.data(), shape.n, shape.oc, std::int64_t(shape.oh) * shape.ow, block, to, threads);
    return y;
}

} // namespace

void bind_nn(py::module_& m) {
    m.def("conv2d", &conv2d_call, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
          py::arg("dilation"), py::arg("groups"), py::arg("activation"), py::arg("alpha"), py::arg("out"));
}

} // namespace fk
