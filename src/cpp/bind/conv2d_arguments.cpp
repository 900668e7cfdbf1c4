#include "bind/conv2d_arguments.hpp"

namespace fk {

namespace {
std::array<std::int64_t, 4> four(const std::array<std::int64_t, max_rank>& dims) { return {dims[0], dims[1], dims[2], dims[3]}; }
} // namespace

Conv2dArguments::Conv2dArguments(const py::object& x_in, const py::object& w_in, const py::object& b_in, const py::object& stride,
                                 const py::object& padding, const py::object& dilation, std::int64_t groups,
                                 const py::object& activation, const std::optional<float>& alpha) {
    x = view_in<float>(x_in, "x", 4, 4, x_owner);
    w = view_in<float>(w_in, "w", 4, 4, w_owner);
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
    shape = conv2d::infer(params);
}

} // namespace fk
