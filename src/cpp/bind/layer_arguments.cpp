#include "bind/layer_arguments.hpp"

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

} // namespace

PoolArguments::PoolArguments(const py::object& x_in, pool::Params params, const py::object& size, const py::object& stride,
                             const py::object& padding) {
    x = view_in<float>(x_in, "x", 4, 4, x_owner);
    params.x = four(x);
    params.window.size = pair_in(size, "size");
    params.window.stride = stride.is_none() ? params.window.size : pair_in(stride, "stride");
    params.window.padding = padding_in(padding);
    shape = pool::infer(params);
}

GlobalPoolArguments::GlobalPoolArguments(const py::object& x_in, bool average) {
    x = view_in<float>(x_in, "x", 4, 4, x_owner);
    shape = global_pool::infer({.x = four(x), .kind = average ? global_pool_average : global_pool_max});
}

DepthwiseArguments::DepthwiseArguments(const py::object& x_in, const py::object& w_in, const py::object& b_in,
                                       const py::object& stride, const py::object& padding, const py::object& dilation,
                                       const py::object& activation, const std::optional<float>& alpha)
    : x(view_in<float>(x_in, "x", 4, 4, x_owner)), w(view_in<float>(w_in, "w", 4, 4, w_owner)), b(b_in, "b") {
    shape = depthwise::infer({.x = four(x),
                              .w = four(w),
                              .bias = b.length(),
                              .window = {.size = {},
                                         .stride = pair_in(stride, "stride"),
                                         .dilation = pair_in(dilation, "dilation"),
                                         .padding = padding_in(padding)},
                              .activation = activation_in(activation, alpha)});
}

BatchNormArguments::BatchNormArguments(const py::object& x_in, const py::object& gamma, const py::object& beta,
                                       const py::object& mean, const py::object& variance, double epsilon,
                                       const py::object& activation, const std::optional<float>& alpha)
    : x(view_in<float>(x_in, "x", 2, 4, x_owner)),
      statistics{Vector(gamma, "gamma"), Vector(beta, "beta"), Vector(mean, "mean"), Vector(variance, "variance")} {
    require(x.rank != 3, "x must have 2 or 4 dimensions, has 3: shape ", x.shape());
    shape_out = shape_of(x);
    if (x.rank == 2) {
        x.rank = 4;
        x.dims[2] = x.dims[3] = 1;
    }
    batch_norm::Params params{.x = four(x), .epsilon = epsilon, .activation = activation_in(activation, alpha)};
    for (std::size_t i = 0; i < statistics.size(); ++i) {
        params.statistics[i] = statistics[i].length();
    }
    shape = batch_norm::infer(params);
}

LocalResponseNormArguments::LocalResponseNormArguments(const py::object& x_in, std::int64_t size, double alpha, double beta,
                                                       double k)
    : x(view_in<float>(x_in, "x", 4, 4, x_owner)) {
    shape = local_response_norm::infer({.x = four(x), .size = size, .alpha = alpha, .beta = beta, .k = k});
}

ConcatArguments::ConcatArguments(const py::sequence& xs) {
    concat::Params params;
    for (std::size_t t = 0; t < xs.size(); ++t) {
        Input& input = inputs.emplace_back(Input{message("xs[", t, "]"), {}});
        views.push_back(view_in<float>(xs[t], input.name.c_str(), 4, 4, input.array));
        params.x.push_back(four(views.back()));
    }
    shape = concat::infer(params);
}

GemmArguments::GemmArguments(const py::object& a_in, const py::object& b_in, const py::object& bias_in, bool transpose_b,
                             const py::object& activation, const std::optional<float>& alpha)
    : a(view_in<float>(a_in, "a", 2, 2, a_owner)), b(view_in<float>(b_in, "b", 2, 2, b_owner)), bias(bias_in, "bias") {
    shape = gemm::infer({.a = {a.dims[0], a.dims[1]},
                         .b = {b.dims[0], b.dims[1]},
                         .transposed = transpose_b,
                         .bias = bias.length(),
                         .activation = activation_in(activation, alpha)});
}

DenseArguments::DenseArguments(const py::object& x_in, const py::object& w_in, const py::object& b_in,
                               const py::object& activation, const std::optional<float>& alpha)
    : x(view_in<float>(x_in, "x", 2, 2, x_owner)), w(view_in<float>(w_in, "w", 2, 2, w_owner)), b(b_in, "b") {
    shape = dense::infer({.x = {x.dims[0], x.dims[1]},
                          .w = {w.dims[0], w.dims[1]},
                          .bias = b.length(),
                          .activation = activation_in(activation, alpha)});
}

ElementwiseArguments::ElementwiseArguments(const Named& a_in, const Named& b_in, const Activation& activation)
    : a(view_in<float>(a_in.object, a_in.name, 1, 4, a_owner)) {
    const bool two = !b_in.object.is_none();
    if (two) {
        b = view_in<float>(b_in.object, b_in.name, 1, 4, b_owner);
        require(a.rank == b.rank && a.dims == b.dims, a_in.name, " and ", b_in.name, " must have the same shape: ", a.shape(),
                " and ", b.shape());
    }
    const std::int64_t n = a.rank > 1 ? a.dims[0] : 1;
    shape = elementwise::infer({.activation = activation, .n = n, .size = n > 0 ? a.size() / n : 0, .inputs = two ? 2 : 1});
}

SoftmaxArguments::SoftmaxArguments(const py::object& x_in, std::int64_t axis) : x(view_in<float>(x_in, "x", 1, 4, x_owner)) {
    require(axis >= -x.rank && axis < x.rank, "axis must be from ", -x.rank, " to ", x.rank - 1, ", is ", axis);
    along = static_cast<std::size_t>(axis < 0 ? axis + x.rank : axis);
    softmax::Params params{.size = x.dims[along]};
    for (std::size_t d = 0; d < static_cast<std::size_t>(x.rank); ++d) {
        if (d != along) {
            (d < along ? params.n : params.inner) *= x.dims[d];
        }
    }
    shape = softmax::infer(params);
}

SeparableArguments::SeparableArguments(const py::object& x_in, const py::object& w_dw_in, const py::object& w_pw_in,
                                       const py::object& b_in, const py::object& b_dw_in, const py::object& stride,
                                       const py::object& padding, const py::object& dilation, const py::object& activation_dw,
                                       const py::object& activation, const std::optional<float>& alpha)
    : x(view_in<float>(x_in, "x", 4, 4, x_owner)), w_dw(view_in<float>(w_dw_in, "w_dw", 4, 4, dw_owner)),
      w_pw(view_in<float>(w_pw_in, "w_pw", 4, 4, pw_owner)), b(b_in, "b"), b_dw(b_dw_in, "b_dw") {
    const WindowParams window{.size = {},
                              .stride = pair_in(stride, "stride"),
                              .dilation = pair_in(dilation, "dilation"),
                              .padding = padding_in(padding)};
    first = half("depthwise", [&] {
        return depthwise::infer({.x = four(x),
                                 .w = four(w_dw),
                                 .bias = b_dw.length(),
                                 .window = window,
                                 .activation = activation_in(activation_dw, std::nullopt)});
    });
    second = half("pointwise", [&] {
        conv2d::Params params;
        params.x = {first.n, first.oc, first.oh, first.ow};
        params.w = four(w_pw);
        params.bias = b.length();
        params.activation = activation_in(activation, alpha);
        return conv2d::infer(params);
    });
}

} // namespace fk
