// Which nodes become layers on bytes, with which weights, scales and values: once for the processor's plan and for a device's,
// which differ in the steps that they make of it. Weights are quantised here, one scale a filter; values between layers keep
// the scale that the graph says.
#pragma once

#include "base/error.hpp"
#include "net/lower.hpp"
#include "net/quantized.hpp"
#include "ops/add_int8/add_int8.hpp"
#include "ops/concat_int8/concat_int8.hpp"
#include "ops/conv2d_int8/conv2d_int8.hpp"
#include "ops/dense_int8/dense_int8.hpp"
#include "ops/depthwise_int8/depthwise_int8.hpp"
#include "ops/lookup_int8/lookup_int8.hpp"
#include "ops/pool_int8/pool_int8.hpp"

namespace fk::net::int8 {

// What the steps compute, and where: `from` and `to` are what the planner reads and writes by.
struct FilterWeights {
    QuantizedWeights values;
    Requantization sums;
    int zero_point; // of the input
};
struct Convolution {
    conv2d_int8::Shape shape;
    FilterWeights weights;
    bool planar; // the input's bytes
    int from, residual, to;
};
struct Depthwise {
    depthwise_int8::Shape shape;
    FilterWeights weights;
    int from, to;
};
struct Dense {
    dense_int8::Shape shape;
    FilterWeights weights;
    dense_int8::Result result;
    int from, to;
};
struct Pool {
    pool_int8::Shape shape;
    Quantization x, y;
    int from, to;
};
struct Add {
    add_int8::Params params;
    std::vector<int> from;
    int to;
};
struct Lookup {
    lookup_int8::Shape shape;
    lookup_int8::Table table;
    int from, to;
};
struct Concat {
    concat::Shape shape;
    std::vector<int> from;
    int to;
};

// `Steps` has a `planner`, and `add` for each of the above.
template <class Steps> bool lower_depthwise(const Steps& steps, const Node& node) {
    if (node.residual >= 0) {
        return false;
    }
    auto& planner = steps.planner;
    const int x = node.inputs.at(0);
    const depthwise_int8::Shape shape = depthwise_int8::infer(depthwise_params(planner, node));
    const QuantizedWeights w = quantize_weights(node);
    const FilterWeights weights{w, requantization(planner, node, w), planner.quantization(x).zero_point};
    const int from = planner.read_bytes(x);
    const int to = planner.write_bytes(node.output, {shape.oc, shape.oh, shape.ow});
    steps.add(node, Depthwise{shape, weights, from, to});
    return true;
}

template <class Steps> bool lower_conv2d(const Steps& steps, const Node& node) {
    if (!is_clip(node.activation)) {
        return false;
    }
    if (node.is_depthwise()) {
        return lower_depthwise(steps, node);
    }
    auto& planner = steps.planner;
    const int x = node.inputs.at(0);
    const conv2d_int8::Shape shape = conv2d_int8::infer(conv2d_params(planner, node));
    const QuantizedWeights w = quantize_weights(node);
    const FilterWeights weights{w, requantization(planner, node, w), planner.quantization(x).zero_point};
    // A picture of one or three channels would fill its blocks with zeros; the processor's kernels read it as it is.
    const bool planar = x == planner.graph().input && shape.ic < 4;
    const int from = planar ? planner.read_planar_bytes(x) : planner.read_bytes(x);
    const Dims dims{shape.oc, shape.oh, shape.ow};
    int residual = -1;
    if (node.residual >= 0) {
        if (planner.dims(node.residual) != dims) {
            throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
        }
        residual = planner.read_bytes(node.residual);
    }
    const int to = planner.write_bytes(node.output, dims);
    steps.add(node, Convolution{shape, weights, planar, from, residual, to});
    return true;
}

template <class Steps> bool lower_dense(const Steps& steps, const Node& node) {
    auto& planner = steps.planner;
    const int x = node.inputs.at(0);
    const Weight& matrix = node.weight("w");
    if (!is_clip(node.activation) || planner.dims(x).size() != 1 || matrix.dims.size() != 2) {
        return false;
    }
    const int from = planner.read_bytes(x);
    const Dims& image = planner.image_of(x);
    const dense_int8::Shape shape =
        dense_int8::infer({.x = {planner.batch(), image[0], image[1] * image[2]}, .w = {matrix.dims[0], matrix.dims[1]}});
    const QuantizedWeights w = quantize_weights(node);
    const bool floats = wanted_as_floats(planner.graph(), node.output);
    const FilterWeights weights{w, floats ? to_floats(planner, node, w) : requantization(planner, node, w),
                                planner.quantization(x).zero_point};
    const int to = floats ? planner.write_floats(node.output, {shape.out}) : planner.write_bytes(node.output, {shape.out});
    steps.add(node, Dense{shape, weights, floats ? dense_int8::Result::floats : dense_int8::Result::bytes, from, to});
    return true;
}

template <class Steps> bool lower_pool(const Steps& steps, const Node& node, const pool::Params& params, bool features) {
    auto& planner = steps.planner;
    const int x = node.inputs[0];
    const pool_int8::Shape shape = pool_int8::infer(params);
    const Quantization& from_scale = planner.quantization(x);
    const Quantization& to_scale = planner.quantization(node.output);
    const int from = planner.read_bytes(x);
    const int to = planner.write_bytes(node.output, features ? Dims{shape.c} : Dims{shape.c, shape.oh, shape.ow});
    steps.add(node, Pool{shape, from_scale, to_scale, from, to});
    return true;
}

template <class Steps, PoolKind KIND> bool lower_window_pool(const Steps& steps, const Node& node) {
    return lower_pool(steps, node, pool_params(steps.planner, node, KIND), false);
}

template <class Steps, PoolKind KIND> bool lower_global_pool(const Steps& steps, const Node& node) {
    const std::array<std::int64_t, 4> x = steps.planner.image_dims(node, node.inputs.at(0));
    pool::Params params{.x = x, .kind = KIND};
    params.window.size = {x[2], x[3]};
    return lower_pool(steps, node, params, true);
}

template <class Steps> bool lower_add(const Steps& steps, const Node& node) {
    auto& planner = steps.planner;
    if (node.inputs.size() != 2 || !is_clip(node.activation) || planner.dims(node.inputs[0]) != planner.dims(node.inputs[1])) {
        return false;
    }
    const std::vector<int> from{planner.read_bytes(node.inputs[0]), planner.read_bytes(node.inputs[1])};
    if (planner.image_of(node.inputs[0]) != planner.image_of(node.inputs[1])) {
        return false; // features of different origin
    }
    const Quantization& y = planner.quantization(node.output);
    const Clip clip = clip_of(node.activation, y);
    const Dims image = planner.image_of(node.inputs[0]);
    const add_int8::Params params{.count = bytes_of(image),
                                  .a = planner.quantization(node.inputs[0]),
                                  .b = planner.quantization(node.inputs[1]),
                                  .y = y,
                                  .low = clip.low,
                                  .high = clip.high};
    const int to = planner.write_bytes(node.output, planner.dims(node.inputs[0]), image);
    steps.add(node, Add{params, from, to});
    return true;
}

template <class Steps> bool lower_activation(const Steps& steps, const Node& node) {
    auto& planner = steps.planner;
    const int x = node.inputs.at(0);
    if (!planner.stands_as_bytes(x) || (planner.dims(x).size() == 1 && wanted_as_floats(planner.graph(), node.output))) {
        return false;
    }
    const Dims image = planner.image_of(x);
    const lookup_int8::Table table =
        lookup_int8::tabulate(planner.quantization(x), planner.quantization(node.output),
                              [a = node.activation](float value) { return activate(value, a.kind, a.alpha); });
    const int from = planner.read_bytes(x);
    const int to = planner.write_bytes(node.output, planner.dims(x), image);
    steps.add(node, Lookup{{bytes_of(image)}, table, from, to});
    return true;
}

template <class Steps> bool lower_flatten(const Steps& steps, const Node& node) {
    auto& planner = steps.planner;
    const int x = node.inputs.at(0);
    if (!planner.stands_as_bytes(x)) {
        return false;
    }
    const Dims& d = planner.dims(x);
    planner.alias_bytes(node.output, d.size() == 3 ? Dims{d[0] * d[1] * d[2]} : d, x);
    return true;
}

// The value in the scale of the concatenation that reads it.
template <class Steps> int rescaled(const Steps& steps, const Node& node, int value) {
    auto& planner = steps.planner;
    const int from = planner.read_bytes(value);
    const Quantization& x = planner.quantization(value);
    const Quantization& y = planner.quantization(node.output);
    if (x.scale == y.scale && x.zero_point == y.zero_point) {
        return from;
    }
    const Dims image = planner.image_of(value);
    const int to = planner.unnamed_bytes(image);
    Node step;
    step.label = "rescale '" + planner.graph().values[static_cast<std::size_t>(value)] + "'";
    steps.add(step, Lookup{{bytes_of(image)}, lookup_int8::tabulate(x, y, [](float v) { return v; }), from, to});
    return to;
}

template <class Steps> bool lower_concat(const Steps& steps, const Node& node) {
    auto& planner = steps.planner;
    concat::Params params;
    for (const int value : node.inputs) {
        const Dims& d = planner.dims(value);
        if (d.size() != 3) {
            return false; // features, which may come from images of several shapes
        }
        params.x.push_back({planner.batch(), d[0], d[1], d[2]});
    }
    const concat::Shape shape = concat::infer(params);
    std::vector<int> from;
    from.reserve(node.inputs.size());
    for (const int value : node.inputs) {
        from.push_back(rescaled(steps, node, value));
    }
    const int to = planner.write_bytes(node.output, {shape.c, shape.ih, shape.iw});
    steps.add(node, Concat{shape, from, to});
    return true;
}

// Lowers a node; false where it has no form on bytes, or one of its values stands better in float32.
template <class Steps> bool lower(const Steps& steps, const Node& node) {
    using Lowering = bool (*)(const Steps&, const Node&);
    static const std::map<std::string, Lowering> table = {
        {"conv2d", &lower_conv2d<Steps>},
        {"dense", &lower_dense<Steps>},
        {"max_pool2d", &lower_window_pool<Steps, pool_max>},
        {"avg_pool2d", &lower_window_pool<Steps, pool_average>},
        {"global_max_pool", &lower_global_pool<Steps, pool_max>},
        {"global_avg_pool", &lower_global_pool<Steps, pool_average>},
        {"add", &lower_add<Steps>},
        {"activation", &lower_activation<Steps>},
        {"flatten", &lower_flatten<Steps>},
        {"concat", &lower_concat<Steps>},
    };
    const auto lowering = table.find(node.op);
    return lowering != table.end() && lowering->second(steps, node);
}

} // namespace fk::net::int8
