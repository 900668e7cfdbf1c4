#include "net/device_planner.hpp"

#include "base/error.hpp"
#include "net/passes.hpp"
#include "ops/batch_norm/batch_norm.hpp"
#include "ops/concat/concat.hpp"
#include "ops/dense/dense.hpp"
#include "ops/elementwise/elementwise.hpp"
#include "ops/local_response_norm/local_response_norm.hpp"
#include "ops/separable/separable.hpp"
#include "ops/softmax/softmax.hpp"

namespace fk::net {

namespace {

std::int64_t count(const Dims& dims) {
    std::int64_t product = 1;
    for (const std::int64_t d : dims) {
        product *= d;
    }
    return product;
}

} // namespace

DevicePlanner::DevicePlanner(const Graph& graph, int batch) : Values(graph, batch), stands_as_floats_{graph.input} {}

DevicePlan DevicePlanner::finish() {
    read_floats(graph().output);
    plan_.input = graph().input;
    plan_.output = graph().output;
    for (std::size_t value = 0; value < graph().values.size(); ++value) {
        plan_.floats.push_back(count(dims(static_cast<int>(value))));
    }
    plan_.floats.insert(plan_.floats.end(), more_.begin(), more_.end());
    return std::move(plan_);
}

DeviceStep& DevicePlanner::add(const Node& node, const char* op, const void* shape, std::size_t size, const Cost& cost) {
    const auto* bytes = static_cast<const std::byte*>(shape);
    plan_.steps.push_back({.node = node.label,
                           .value = node.stored,
                           .op = op,
                           .inputs = node.inputs,
                           .residual = node.residual,
                           .output = node.output,
                           .shape = std::vector<std::byte>(bytes, bytes + size),
                           .cost = cost,
                           .weights = node.weights,
                           .kernel = node.kernel});
    return plan_.steps.back();
}

void DevicePlanner::makes_floats(const Node& node, const Dims& dims) {
    if (node.residual >= 0 && this->dims(node.residual) != dims) {
        throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
    }
    write_floats(node.output, dims);
}

int DevicePlanner::write_floats(int value, const Dims& dims) {
    set_dims(value, dims);
    stands_as_floats_.insert(value);
    return value;
}

void DevicePlanner::same_memory(const Node& node, const Dims& dims) {
    write_floats(node.output, dims);
    DeviceStep& view = plan_.steps.emplace_back();
    view.node = node.label;
    view.value = node.stored;
    view.inputs = {node.inputs.at(0)};
    view.output = node.output;
}

void DevicePlanner::lower_separable(const Node& node) {
    const Node& before = *node.before;
    fk_separable_shape shape{};
    shape.first = depthwise::infer(depthwise_params(*this, before));
    conv2d::Params params = conv2d_params(*this, node);
    params.x = {shape.first.n, shape.first.oc, shape.first.oh, shape.first.ow};
    shape.second = conv2d::infer(params);
    const Cost cost = separable::cost(one_image(shape.first), one_image(shape.second));
    makes_floats(node, {shape.second.oc, shape.second.oh, shape.second.ow});
    DeviceStep& made = add(node, "separable", &shape, sizeof(shape), cost);
    made.weights = {{"w_dw", before.weight("w")}, {"w_pw", node.weight("w")}};
    if (const Weight* b = before.find_weight("b"); b != nullptr) {
        made.weights["b_dw"] = *b;
    }
    if (const Weight* b = node.find_weight("b"); b != nullptr) {
        made.weights["b"] = *b;
    }
}

void DevicePlanner::lower_conv2d(const Node& node) {
    if (node.before) {
        lower_separable(node);
        return;
    }
    if (node.is_depthwise()) {
        const depthwise::Shape shape = one_image(depthwise::infer(depthwise_params(*this, node)));
        step(node, "depthwise", shape, depthwise::cost(shape), {shape.oc, shape.oh, shape.ow});
        return;
    }
    const conv2d::Shape shape = one_image(conv2d::infer(conv2d_params(*this, node)));
    step(node, "conv2d", shape, conv2d::cost(shape), {shape.oc, shape.oh, shape.ow});
}

void DevicePlanner::lower_pool(const Node& node, PoolKind kind) {
    const pool::Shape shape = one_image(pool::infer(pool_params(*this, node, kind)));
    step(node, "pool", shape, pool::cost(shape), {shape.c, shape.oh, shape.ow});
}

void DevicePlanner::lower_global_pool(const Node& node, GlobalPoolKind kind) {
    const global_pool::Shape shape = one_image(global_pool::infer({.x = image_dims(node, node.inputs.at(0)), .kind = kind}));
    step(node, "global_pool", shape, global_pool::cost(shape), {shape.c});
}

const Dims& DevicePlanner::features(const Node& node) const {
    const Dims& d = dims(node.inputs.at(0));
    if (d.size() != 1) {
        throw ModelError(message(node.label, ": expects features (C), its input has ", d.size(), " dimensions"));
    }
    return d;
}

void DevicePlanner::lower_dense(const Node& node) {
    const Weight& w = node.weight("w");
    if (w.dims.size() != 2) {
        throw ModelError(message(node.label, ": weight 'w' must have 2 dimensions, has ", w.dims.size()));
    }
    const dense::Shape shape = dense::infer({.x = {1, features(node)[0]},
                                             .w = {w.dims[0], w.dims[1]},
                                             .bias = bias_length(node),
                                             .activation = node.activation,
                                             .bfloat16 = node.number("bfloat16", 0) != 0});
    step(node, "dense", shape, dense::cost(shape), {shape.out});
}

void DevicePlanner::lower_activation(const Node& node) {
    const Dims d = dims(node.inputs.at(0));
    const elementwise::Shape shape = elementwise::infer({.activation = node.activation, .size = count(d), .inputs = 1});
    step(node, "elementwise", shape, elementwise::cost(shape), d);
}

void DevicePlanner::lower_add(const Node& node) {
    if (node.inputs.size() < 2) {
        throw ModelError(message(node.label, ": a sum needs at least two inputs"));
    }
    const Dims d = dims(node.inputs[0]);
    // Two at a time, from the left; the output holds what is summed so far.
    Node part = node;
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        if (dims(node.inputs[i]) != d) {
            throw ModelError(message(node.label, ": the sides of the sum have different shapes"));
        }
        part.inputs = {i == 1 ? node.inputs[0] : node.output, node.inputs[i]};
        part.activation = i + 1 == node.inputs.size() ? node.activation : Activation{};
        const elementwise::Shape shape = elementwise::infer({.activation = part.activation, .size = count(d), .inputs = 2});
        step(part, "elementwise", shape, elementwise::cost(shape), d);
    }
}

void DevicePlanner::lower_batch_norm(const Node& node) {
    const auto length = [&](const char* role) { return static_cast<std::int64_t>(node.weight(role).data.size()); };
    const int x = node.inputs.at(0);
    const batch_norm::Shape shape =
        one_image(batch_norm::infer({.x = image_or_pixel(x),
                                     .statistics = {length("gamma"), length("beta"), length("mean"), length("variance")},
                                     .epsilon = node.number("epsilon", 1e-5),
                                     .activation = node.activation}));
    DeviceStep& made = step(node, "batch_norm", shape, batch_norm::cost(shape), dims(x));
    // Here, and not on the device: sums that are not positive are refused, as on the processor.
    for (std::int64_t c = 0; c < length("variance"); ++c) {
        (void)batch_norm::deviation(made.weights.at("variance").data.data(), c, node.number("epsilon", 1e-5));
    }
}

void DevicePlanner::lower_softmax(const Node& node) {
    const Dims d = features(node);
    const softmax::Shape shape = softmax::infer({.n = 1, .size = d[0]});
    step(node, "softmax", shape, softmax::cost(shape), d);
}

void DevicePlanner::lower_local_response_norm(const Node& node) {
    const int x = node.inputs.at(0);
    const local_response_norm::Shape shape = one_image(local_response_norm::infer({.x = image_dims(node, x),
                                                                                   .size = node.integers("size", 1, 5)[0],
                                                                                   .alpha = node.number("alpha", 1e-4),
                                                                                   .beta = node.number("beta", 0.75),
                                                                                   .k = node.number("k", 1.0)}));
    step(node, "local_response_norm", shape, local_response_norm::cost(shape), dims(x));
}

void DevicePlanner::lower_concat(const Node& node) {
    concat::Params params;
    const std::size_t rank = dims(node.inputs.at(0)).size();
    for (const int value : node.inputs) {
        if (dims(value).size() != rank) {
            throw ModelError(message(node.label, ": features and images cannot be joined"));
        }
        params.x.push_back(image_or_pixel(value));
    }
    const concat::Shape all = one_image(concat::infer(params));
    const fk_concat_shape shape = concat::device_shape(all);
    step(node, "concat", shape, concat::cost(all), rank == 1 ? Dims{all.c} : Dims{all.c, all.ih, all.iw});
}

void DevicePlanner::lower(const Node& node) {
    for (const int value : node.before ? node.before->inputs : node.inputs) {
        read_floats(value);
    }
    if (node.residual >= 0) {
        read_floats(node.residual);
    }
    using Lower = void (DevicePlanner::*)(const Node&);
    static const std::map<std::string, Lower> table{
        {"conv2d", &DevicePlanner::lower_conv2d},
        {"dense", &DevicePlanner::lower_dense},
        {"activation", &DevicePlanner::lower_activation},
        {"add", &DevicePlanner::lower_add},
        {"batch_norm", &DevicePlanner::lower_batch_norm},
        {"softmax", &DevicePlanner::lower_softmax},
        {"local_response_norm", &DevicePlanner::lower_local_response_norm},
        {"concat", &DevicePlanner::lower_concat},
    };
    static const std::map<std::string, PoolKind> pools{
        {"max_pool2d", pool_max}, {"avg_pool2d", pool_average}, {"l2_pool2d", pool_l2}};
    static const std::map<std::string, GlobalPoolKind> global_pools{{"global_max_pool", global_pool_max},
                                                                    {"global_avg_pool", global_pool_average}};
    if (const auto lowering = table.find(node.op); lowering != table.end()) {
        (this->*lowering->second)(node);
    } else if (const auto window = pools.find(node.op); window != pools.end()) {
        lower_pool(node, window->second);
    } else if (const auto whole = global_pools.find(node.op); whole != global_pools.end()) {
        lower_global_pool(node, whole->second);
    } else if (node.op == "flatten") {
        same_memory(node, {count(dims(node.inputs.at(0)))});
    } else if (node.op == "dropout") {
        same_memory(node, dims(node.inputs.at(0)));
    } else {
        throw ModelError(message(node.label, ": unknown operator '", node.op, "'"));
    }
}

DevicePlan plan_device(Graph graph, int batch) {
    const bool int8 = !graph.quantization.empty();
    if (int8) {
        optimise_int8(graph);
    } else {
        optimise(graph);
    }
    DevicePlanner planner(graph, batch);
    for (const Node& node : graph.nodes) {
        try {
            if (!int8 || !planner.lower_int8(node)) {
                planner.lower(node);
            }
        } catch (const ValueError& e) {
            throw ModelError(message(node.label, ": ", e.what()));
        }
    }
    return planner.finish();
}

} // namespace fk::net
