#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layers.hpp"
#include "ops/batch_norm/batch_norm.hpp"
#include "ops/concat/concat.hpp"
#include "ops/depthwise/depthwise.hpp"
#include "ops/global_pool/global_pool.hpp"
#include "ops/local_response_norm/local_response_norm.hpp"
#include "ops/pool/pool.hpp"

namespace fk {

namespace {

using Out = std::optional<py::object>;

py::array_t<float> pool_call(const py::object& x_in, pool::Params params, const py::object& size, const py::object& stride,
                             const py::object& padding, const Out& out) {
    py::array x_owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, x_owner);
    params.x = four(x);
    params.window.size = pair_in(size, "size");
    params.window.stride = stride.is_none() ? params.window.size : pair_in(stride, "stride");
    params.window.padding = padding_in(padding);
    const pool::Shape shape = pool::infer(params);
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c, shape.oh, shape.ow}, {{"x", x_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const pool::Plan plan(shape, threads);
    through_blocks(plan, x, shape.c, std::int64_t(shape.oh) * shape.ow, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, shape.n, scratch); });
    return y;
}

py::array_t<float> max_pool2d(const py::object& x, const py::object& size, const py::object& stride, const py::object& padding,
                              const Out& out) {
    return pool_call(x, {.kind = pool_max}, size, stride, padding, out);
}

py::array_t<float> avg_pool2d(const py::object& x, const py::object& size, const py::object& stride, const py::object& padding,
                              bool count_include_pad, const Out& out) {
    return pool_call(x, {.kind = pool_average, .count_include_pad = count_include_pad}, size, stride, padding, out);
}

py::array_t<float> l2_pool2d(const py::object& x, const py::object& size, const py::object& stride, const py::object& padding,
                             const Out& out) {
    return pool_call(x, {.kind = pool_l2}, size, stride, padding, out);
}

py::array_t<float> global_pool_call(const py::object& x_in, bool average, const Out& out) {
    py::array x_owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, x_owner);
    const global_pool::Shape shape = global_pool::infer({.x = four(x), .kind = average ? global_pool_average : global_pool_max});
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c}, {{"x", x_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const global_pool::Plan plan(shape, threads);
    Scratch scratch(plan.scratch(), threads);
    Tensor<float> blocked(shape.n * round_up(shape.c, plan.block()) * shape.ih * shape.iw);
    reorder::to_blocked(x, plan.block(), blocked.data(), threads);
    plan.run(blocked.data(), to, shape.n, scratch);
    return y;
}

py::array_t<float> depthwise_conv2d(const py::object& x_in, const py::object& w_in, const py::object& b_in,
                                    const py::object& stride, const py::object& padding, const py::object& dilation,
                                    const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    py::array x_owner;
    py::array w_owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, x_owner);
    const View<const float> w = view_in<float>(w_in, "w", 4, 4, w_owner);
    const Vector b(b_in, "b");
    const depthwise::Shape shape = depthwise::infer({.x = four(x),
                                                     .w = four(w),
                                                     .bias = b.length(),
                                                     .window = {.size = {},
                                                                .stride = pair_in(stride, "stride"),
                                                                .dilation = pair_in(dilation, "dilation"),
                                                                .padding = padding_in(padding)},
                                                     .activation = activation_in(activation, alpha)});
    py::array_t<float> y =
        output_array<float>(out, {shape.n, shape.oc, shape.oh, shape.ow}, {{"x", x_owner}, {"w", w_owner}, {"b", b.owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    Tensor<float> storage;
    const Tensor<float> bias = b.dense();
    const depthwise::Plan plan(shape, dense_values(w, storage), bias.data(), threads);
    through_blocks(plan, x, shape.oc, std::int64_t(shape.oh) * shape.ow, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, nullptr, shape.n, scratch); });
    return y;
}

py::array_t<float> batch_norm_call(const py::object& x_in, const py::object& gamma_in, const py::object& beta_in,
                                   const py::object& mean_in, const py::object& variance_in, double epsilon,
                                   const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    py::array x_owner;
    View<const float> x = view_in<float>(x_in, "x", 2, 4, x_owner);
    require(x.rank != 3, "x must have 2 or 4 dimensions, has 3: shape ", x.shape());
    std::vector<py::ssize_t> out_shape(x.dims.begin(), x.dims.begin() + x.rank);
    if (x.rank == 2) {
        x.rank = 4;
        x.dims[2] = x.dims[3] = 1;
    }
    const std::array vectors{Vector(gamma_in, "gamma"), Vector(beta_in, "beta"), Vector(mean_in, "mean"),
                             Vector(variance_in, "variance")};
    batch_norm::Params params{.x = four(x), .epsilon = epsilon, .activation = activation_in(activation, alpha)};
    for (std::size_t i = 0; i < vectors.size(); ++i) {
        params.statistics[i] = vectors[i].length();
    }
    const batch_norm::Shape shape = batch_norm::infer(params);
    py::array_t<float> y = output_array<float>(out, out_shape,
                                               {{"x", x_owner},
                                                {"gamma", vectors[0].owner},
                                                {"beta", vectors[1].owner},
                                                {"mean", vectors[2].owner},
                                                {"variance", vectors[3].owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const Tensor<float> gamma = vectors[0].dense();
    const Tensor<float> beta = vectors[1].dense();
    const Tensor<float> mean = vectors[2].dense();
    const Tensor<float> variance = vectors[3].dense();
    const batch_norm::Plan plan(shape, gamma.data(), beta.data(), mean.data(), variance.data(), threads);
    through_blocks(plan, x, shape.c, std::int64_t(shape.ih) * shape.iw, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, shape.n, scratch); });
    return y;
}

py::array_t<float> local_response_norm_call(const py::object& x_in, std::int64_t size, double alpha, double beta, double k,
                                            const Out& out) {
    py::array x_owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, x_owner);
    const local_response_norm::Shape shape =
        local_response_norm::infer({.x = four(x), .size = size, .alpha = alpha, .beta = beta, .k = k});
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c, shape.ih, shape.iw}, {{"x", x_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const local_response_norm::Plan plan(shape, threads);
    through_blocks(plan, x, shape.c, std::int64_t(shape.ih) * shape.iw, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, shape.n, scratch); });
    return y;
}

py::array_t<float> concat_call(const py::sequence& xs, const Out& out) {
    std::vector<Input> inputs;
    std::vector<View<const float>> views;
    concat::Params params;
    for (std::size_t t = 0; t < xs.size(); ++t) {
        Input& input = inputs.emplace_back(Input{message("xs[", t, "]"), {}});
        views.push_back(view_in<float>(xs[t], input.name.c_str(), 4, 4, input.array));
        params.x.push_back(four(views.back()));
    }
    const concat::Shape shape = concat::infer(params);
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c, shape.ih, shape.iw}, inputs);
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const concat::Plan plan(shape, threads);
    const int block = plan.block();
    const std::int64_t pixels = std::int64_t(shape.ih) * shape.iw;
    std::vector<Tensor<float>> blocked;
    std::vector<const float*> pointers;
    for (const View<const float>& x : views) {
        blocked.emplace_back(shape.n * round_up(x.dims[1], block) * pixels);
        reorder::to_blocked(x, block, blocked.back().data(), threads);
        pointers.push_back(blocked.back().data());
    }
    Tensor<float> blocked_y(shape.n * round_up(shape.c, block) * pixels);
    Scratch scratch(plan.scratch(), threads);
    plan.run(pointers.data(), blocked_y.data(), shape.n, scratch);
    reorder::from_blocked(blocked_y.data(), shape.n, shape.c, pixels, block, to, threads);
    return y;
}

} // namespace

void bind_pool(py::module_& m) {
    const auto window = [&](const char* name, auto function) {
        m.def(name, function, py::arg("x"), py::arg("size"), py::arg("stride"), py::arg("padding"), py::arg("out"));
    };
    window("max_pool2d", &max_pool2d);
    window("l2_pool2d", &l2_pool2d);
    m.def("avg_pool2d", &avg_pool2d, py::arg("x"), py::arg("size"), py::arg("stride"), py::arg("padding"),
          py::arg("count_include_pad"), py::arg("out"));
    m.def("global_pool", &global_pool_call, py::arg("x"), py::arg("average"), py::arg("out"));
    m.def("depthwise_conv2d", &depthwise_conv2d, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
          py::arg("dilation"), py::arg("activation"), py::arg("alpha"), py::arg("out"));
    m.def("batch_norm", &batch_norm_call, py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("mean"), py::arg("variance"),
          py::arg("epsilon"), py::arg("activation"), py::arg("alpha"), py::arg("out"));
    m.def("local_response_norm", &local_response_norm_call, py::arg("x"), py::arg("size"), py::arg("alpha"), py::arg("beta"),
          py::arg("k"), py::arg("out"));
    m.def("concat", &concat_call, py::arg("xs"), py::arg("out"));
}

} // namespace fk
