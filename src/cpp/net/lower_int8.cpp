// Layers on bytes. Weights are quantised here, one scale a filter; values between layers keep the scale that the graph says.

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

namespace fk::net {

namespace {

bool lower_depthwise(Planner& planner, const Node& node) {
    if (node.residual >= 0) {
        return false;
    }
    const depthwise_int8::Shape shape = depthwise_int8::infer(depthwise_params(planner, node));
    const QuantizedWeights w = quantize_weights(node);
    const auto layer =
        std::make_shared<depthwise_int8::Plan>(shape, w.values.data(), planner.quantization(node.inputs[0]).zero_point,
                                               requantization(planner, node, w), planner.threads());
    const int from = planner.read_bytes(node.inputs[0]);
    const int to = planner.write_bytes(node.output, {shape.oc, shape.oh, shape.ow});
    add_step(planner, node, "depthwise_int8", *layer, {from}, to, depthwise_int8::cost(one_image(shape)),
             [layer, from, to](const Frame& f) { layer->run(f.bytes_in(from), f.bytes_out(to), f.images, *f.scratch); });
    return true;
}

bool lower_conv2d(Planner& planner, const Node& node) {
    if (!is_clip(node.activation)) {
        return false;
    }
    if (node.is_depthwise()) {
        return lower_depthwise(planner, node);
    }
    const conv2d_int8::Shape shape = conv2d_int8::infer(conv2d_params(planner, node));
    const int x = node.inputs[0];
    const QuantizedWeights w = quantize_weights(node);
    // A picture of one or three channels would fill its blocks with zeros; the kernels read it as it is.
    const bool planar = planner.is_input(x) && shape.ic < 4;
    const auto layer = std::make_shared<conv2d_int8::Plan>(shape, w.values.data(), planner.quantization(x).zero_point,
                                                           requantization(planner, node, w), planar, planner.threads());
    std::vector<int> reads{planner.read_bytes(x, planar ? Planner::Bytes::planar : Planner::Bytes::blocked)};
    const Dims dims{shape.oc, shape.oh, shape.ow};
    int residual = -1;
    if (node.residual >= 0) {
        if (planner.dims(node.residual) != dims) {
            throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
        }
        residual = planner.read_bytes(node.residual);
        reads.push_back(residual);
    }
    const int to = planner.write_bytes(node.output, dims);
    add_step(planner, node, "conv2d_int8", *layer, reads, to, conv2d_int8::cost(one_image(shape)),
             [layer, from = reads.front(), residual, to](const Frame& f) {
                 const std::uint8_t* r = residual >= 0 ? f.bytes_in(residual) : nullptr;
                 layer->run(f.bytes_in(from), f.bytes_out(to), r, f.images, *f.scratch);
             });
    return true;
}

bool lower_dense(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const Weight& weights = node.weight("w");
    if (!is_clip(node.activation) || planner.dims(x).size() != 1 || weights.dims.size() != 2) {
        return false;
    }
    const int from = planner.read_bytes(x);
    const Dims& image = planner.image_of(x);
    const dense_int8::Shape shape =
        dense_int8::infer({.x = {planner.batch(), image[0], image[1] * image[2]}, .w = {weights.dims[0], weights.dims[1]}});
    const QuantizedWeights w = quantize_weights(node);
    const bool floats = wanted_as_floats(planner.graph(), node.output);
    const Requantization r = floats ? to_floats(planner, node, w) : requantization(planner, node, w);
    const auto layer =
        std::make_shared<dense_int8::Plan>(shape, w.values.data(), planner.quantization(x).zero_point, r,
                                           floats ? dense_int8::Result::floats : dense_int8::Result::bytes, planner.threads());
    const int to = floats ? planner.write(node.output, 1, {shape.out}) : planner.write_bytes(node.output, {shape.out});
    add_step(planner, node, "dense_int8", *layer, {from}, to, dense_int8::cost(one_image(shape)),
             [layer, from, to, floats](const Frame& f) {
                 if (floats) {
                     layer->run(f.bytes_in(from), f.out(to), f.images);
                 } else {
                     layer->run(f.bytes_in(from), f.bytes_out(to), f.images);
                 }
             });
    return true;
}

void add_pool(Planner& planner, const Node& node, const pool::Params& params, bool features) {
    const pool_int8::Shape shape = pool_int8::infer(params);
    const int x = node.inputs[0];
    const auto layer =
        std::make_shared<pool_int8::Plan>(shape, planner.quantization(x), planner.quantization(node.output), planner.threads());
    const int from = planner.read_bytes(x);
    const int to = planner.write_bytes(node.output, features ? Dims{shape.c} : Dims{shape.c, shape.oh, shape.ow});
    add_step(planner, node, "pool_int8", *layer, {from}, to, pool_int8::cost(one_image(shape)),
             [layer, from, to](const Frame& f) { layer->run(f.bytes_in(from), f.bytes_out(to), f.images); });
}

template <PoolKind KIND> bool lower_pool(Planner& planner, const Node& node) {
    add_pool(planner, node, pool_params(planner, node, KIND), false);
    return true;
}

template <PoolKind KIND> bool lower_global_pool(Planner& planner, const Node& node) {
    const std::array<std::int64_t, 4> x = planner.image_dims(node, node.inputs.at(0));
    pool::Params params{.x = x, .kind = KIND};
    params.window.size = {x[2], x[3]};
    add_pool(planner, node, params, true);
    return true;
}

std::int64_t bytes_of(const Dims& image) { return round_up(image[0], byte_block) * image[1] * image[2]; }

bool lower_add(Planner& planner, const Node& node) {
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
    const auto layer = std::make_shared<add_int8::Plan>(add_int8::Params{.count = bytes_of(image),
                                                                         .a = planner.quantization(node.inputs[0]),
                                                                         .b = planner.quantization(node.inputs[1]),
                                                                         .y = y,
                                                                         .low = clip.low,
                                                                         .high = clip.high},
                                                        planner.threads());
    const int to = planner.write_bytes(node.output, planner.dims(node.inputs[0]), image);
    add_step(planner, node, "add_int8", *layer, from, to, add_int8::cost({bytes_of(image)}), [layer, from, to](const Frame& f) {
        layer->run(f.bytes_in(from[0]), f.bytes_in(from[1]), f.bytes_out(to), f.images);
    });
    return true;
}

bool lower_activation(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    if (!planner.stands_as_bytes(x) || (planner.dims(x).size() == 1 && wanted_as_floats(planner.graph(), node.output))) {
        return false;
    }
    const Dims image = planner.image_of(x);
    const lookup_int8::Table table =
        lookup_int8::tabulate(planner.quantization(x), planner.quantization(node.output),
                              [a = node.activation](float value) { return activate(value, a.kind, a.alpha); });
    const lookup_int8::Shape shape{bytes_of(image)};
    const auto layer = std::make_shared<lookup_int8::Plan>(shape, table, planner.threads());
    const int from = planner.read_bytes(x);
    const int to = planner.write_bytes(node.output, planner.dims(x), image);
    add_step(planner, node, "lookup_int8", *layer, {from}, to, lookup_int8::cost(shape),
             [layer, from, to](const Frame& f) { layer->run(f.bytes_in(from), f.bytes_out(to), f.images); });
    return true;
}

bool lower_flatten(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    if (!planner.stands_as_bytes(x)) {
        return false;
    }
    const Dims& d = planner.dims(x);
    planner.alias_bytes(node.output, d.size() == 3 ? Dims{d[0] * d[1] * d[2]} : d, x);
    return true;
}

// The value in the scale of the concatenation that reads it.
int rescaled(Planner& planner, const Node& node, int value) {
    const int from = planner.read_bytes(value);
    const Quantization& x = planner.quantization(value);
    const Quantization& y = planner.quantization(node.output);
    if (x.scale == y.scale && x.zero_point == y.zero_point) {
        return from;
    }
    const lookup_int8::Shape shape{bytes_of(planner.image_of(value))};
    const lookup_int8::Table table = lookup_int8::tabulate(x, y, [](float v) { return v; });
    const auto layer = std::make_shared<lookup_int8::Plan>(shape, table, planner.threads());
    const int to = planner.unnamed_bytes(planner.image_of(value));
    Node step;
    step.label = "rescale '" + planner.graph().values[static_cast<std::size_t>(value)] + "'";
    add_step(planner, step, "lookup_int8", *layer, {from}, to, lookup_int8::cost(shape),
             [layer, from, to](const Frame& f) { layer->run(f.bytes_in(from), f.bytes_out(to), f.images); });
    return to;
}

bool lower_concat(Planner& planner, const Node& node) {
    concat::Params params;
    for (const int value : node.inputs) {
        const Dims& d = planner.dims(value);
        if (d.size() != 3) {
            return false; // features, which may come from images of several shapes
        }
        params.x.push_back({planner.batch(), d[0], d[1], d[2]});
    }
    const concat::Shape shape = concat::infer(params);
    const auto layer = std::make_shared<concat_int8::Plan>(shape, planner.threads());
    std::vector<int> from;
    from.reserve(node.inputs.size());
    for (const int value : node.inputs) {
        from.push_back(rescaled(planner, node, value));
    }
    const int to = planner.write_bytes(node.output, {shape.c, shape.ih, shape.iw});
    add_step(planner, node, "concat_int8", *layer, from, to, concat_int8::cost(one_image(shape)),
             [layer, from, to](const Frame& f) {
                 for (std::size_t i = 0; i < from.size(); ++i) {
                     layer->run(static_cast<int>(i), f.bytes_in(from[i]), f.bytes_out(to), f.images);
                 }
             });
    return true;
}

using Int8Lowering = bool (*)(Planner&, const Node&);
const std::map<std::string, Int8Lowering>& lowerings() {
    static const std::map<std::string, Int8Lowering> table = {
        {"conv2d", &lower_conv2d},
        {"dense", &lower_dense},
        {"max_pool2d", &lower_pool<pool_max>},
        {"avg_pool2d", &lower_pool<pool_average>},
        {"global_max_pool", &lower_global_pool<pool_max>},
        {"global_avg_pool", &lower_global_pool<pool_average>},
        {"add", &lower_add},
        {"activation", &lower_activation},
        {"flatten", &lower_flatten},
        {"concat", &lower_concat},
    };
    return table;
}

} // namespace

bool lower_int8(Planner& planner, const Node& node) {
    const auto lowering = lowerings().find(node.op);
    return lowering != lowerings().end() && lowering->second(planner, node);
}

} // namespace fk::net
