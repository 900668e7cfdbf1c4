#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layer_arguments.hpp"

namespace fk {

namespace {

using Out = std::optional<py::object>;

py::array_t<float> pool_call(const py::object& x_in, pool::Params params, const py::object& size, const py::object& stride,
                             const py::object& padding, const Out& out) {
    const PoolArguments arguments(x_in, params, size, stride, padding);
    const auto& [x_owner, x, shape] = arguments;
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c, shape.oh, shape.ow}, {{"x", x_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const pool::Plan plan(shape, threads);
    through_blocks(plan, x, shape.c, std::int64_t(shape.oh) * shape.ow, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, arguments.shape.n, scratch); });
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
    const GlobalPoolArguments arguments(x_in, average);
    const auto& [x_owner, x, shape] = arguments;
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
    const DepthwiseArguments arguments(x_in, w_in, b_in, stride, padding, dilation, activation, alpha);
    const auto& [x_owner, w_owner, x, w, b, shape] = arguments;
    py::array_t<float> y =
        output_array<float>(out, {shape.n, shape.oc, shape.oh, shape.ow}, {{"x", x_owner}, {"w", w_owner}, {"b", b.owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    Tensor<float> storage;
    const Tensor<float> bias = b.dense();
    const depthwise::Plan plan(shape, dense_values(w, storage), bias.data(), threads);
    through_blocks(plan, x, shape.oc, std::int64_t(shape.oh) * shape.ow, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, nullptr, arguments.shape.n, scratch); });
    return y;
}

py::array_t<float> batch_norm_call(const py::object& x_in, const py::object& gamma_in, const py::object& beta_in,
                                   const py::object& mean_in, const py::object& variance_in, double epsilon,
                                   const py::object& activation, const std::optional<float>& alpha, const Out& out) {
    const BatchNormArguments arguments(x_in, gamma_in, beta_in, mean_in, variance_in, epsilon, activation, alpha);
    const auto& [x_owner, x, shape_out, vectors, shape] = arguments;
    py::array_t<float> y = output_array<float>(out, shape_out,
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
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, arguments.shape.n, scratch); });
    return y;
}

py::array_t<float> local_response_norm_call(const py::object& x_in, std::int64_t size, double alpha, double beta, double k,
                                            const Out& out) {
    const LocalResponseNormArguments arguments(x_in, size, alpha, beta, k);
    const auto& [x_owner, x, shape] = arguments;
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c, shape.ih, shape.iw}, {{"x", x_owner}});
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    const local_response_norm::Plan plan(shape, threads);
    through_blocks(plan, x, shape.c, std::int64_t(shape.ih) * shape.iw, to, threads,
                   [&](const float* bx, float* by, Scratch& scratch) { plan.run(bx, by, arguments.shape.n, scratch); });
    return y;
}

py::array_t<float> concat_call(const py::sequence& xs, const Out& out) {
    const ConcatArguments arguments(xs);
    const auto& [inputs, views, shape] = arguments;
    py::array_t<float> y = output_array<float>(out, {shape.n, shape.c, shape.ih, shape.iw}, inputs);
    float* to = y.mutable_data();

    const py::gil_scoped_release released;
    const int threads = chosen_threads();
    // Blocks of channels are for networks: arrays that come and go as NCHW are copied as they stand.
    const bool chosen = !current_choice().kernel.empty() || current_choice().exact;
    const concat::Plan plan(shape, threads, chosen ? 0 : 1);
    const int block = plan.block();
    const std::int64_t pixels = std::int64_t(shape.ih) * shape.iw;
    std::vector<Tensor<float>> blocked;
    std::vector<const float*> pointers;
    for (const View<const float>& x : views) {
        blocked.emplace_back();
        if (block == 1) {
            pointers.push_back(dense_values(x, blocked.back()));
            continue;
        }
        blocked.back() = Tensor<float>::unset(shape.n * round_up(x.dims[1], block) * pixels);
        reorder::to_blocked(x, block, blocked.back().data(), threads);
        pointers.push_back(blocked.back().data());
    }
    Scratch scratch(plan.scratch(), threads);
    if (block == 1) {
        plan.run(pointers.data(), to, shape.n, scratch);
        return y;
    }
    Tensor<float> blocked_y(shape.n * round_up(shape.c, block) * pixels);
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
