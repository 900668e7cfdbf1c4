// Dense layers and everything that works value by value.

#include "base/error.hpp"
#include "net/lower.hpp"
#include "ops/batch_norm/batch_norm.hpp"
#include "ops/concat/concat.hpp"
#include "ops/dense/dense.hpp"
#include "ops/elementwise/elementwise.hpp"
#include "ops/local_response_norm/local_response_norm.hpp"
#include "ops/softmax/softmax.hpp"

namespace fk::net {

namespace {

void lower_flatten(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    std::int64_t size = 1;
    for (const std::int64_t d : planner.dims(x)) {
        size *= d;
    }
    // A dense layer reads an image in blocks as it stands: its weights are put into that order instead.
    const Node* reader = planner.sole_reader(node.output);
    const int block = planner.block_of(x);
    if (block > 1 && planner.dims(x)[0] % block == 0 && reader != nullptr && reader->op == "dense" &&
        planner.graph().quantization.empty()) {
        planner.set_order(node.output, {.pixels = size / planner.dims(x)[0], .block = block});
        planner.alias(node.output, 1, {size}, planner.read(x, block));
        return;
    }
    planner.alias(node.output, 1, {size}, planner.read(x, 1));
}

// Weights [out, in] whose inputs stand in another order; empty where it is the plain one.
std::vector<float> in_order(const Weight& w, const Planner::Order& order) {
    if (order.block == 1) {
        return {};
    }
    std::vector<float> placed(w.data.size());
    const auto in = static_cast<std::size_t>(w.dims[1]);
    for (std::size_t i = 0; i < in; ++i) {
        const auto to = static_cast<std::size_t>(order.place(static_cast<std::int64_t>(i)));
        for (std::size_t at = 0; at < w.data.size(); at += in) {
            placed[at + to] = w.data[at + i];
        }
    }
    return placed;
}

void lower_dense(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const Weight& w = node.weight("w");
    if (planner.dims(x).size() != 1 || w.dims.size() != 2) {
        throw ModelError(message(node.label, ": expects features (C) and weights [out, in]; flatten comes first"));
    }
    const dense::Shape shape = dense::infer({.x = {planner.batch(), planner.dims(x)[0]},
                                             .w = {w.dims[0], w.dims[1]},
                                             .bias = bias_length(node),
                                             .activation = node.activation,
                                             .bfloat16 = node.number("bfloat16", 0) != 0});
    const std::vector<float> placed = in_order(w, planner.order_of(x));
    const float* weights = placed.empty() ? w.data.data() : placed.data();
    const auto layer = std::make_shared<dense::Plan>(shape, weights, bias_of(node), planner.threads());
    add_layer(planner, node, layer->op(), layer, {1, 1}, {shape.out}, dense::cost(one_image(shape)));
}

// Floats of one image in a layout, padded lanes included.
std::int64_t image_floats(const Dims& d, int block) { return d.size() == 3 ? round_up(d[0], block) * d[1] * d[2] : d.at(0); }

void lower_activation(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const int block = planner.block_of(x);
    const std::int64_t count = image_floats(planner.dims(x), block);
    const elementwise::Shape shape = elementwise::infer({.activation = node.activation, .size = count, .inputs = 1});
    const auto layer = std::make_shared<elementwise::Plan>(shape, planner.threads());
    const int from = planner.read(x, block);
    const int to = planner.write(node.output, block, planner.dims(x));
    add_step(
        planner, node, "elementwise", *layer, {from}, to, elementwise::cost(shape),
        [layer, from, to, count](const Frame& f) { layer->run(f.in(from), nullptr, f.out(to), f.images * count, *f.scratch); });
}

void lower_add(Planner& planner, const Node& node) {
    if (node.inputs.size() < 2) {
        throw ModelError(message(node.label, ": a sum needs at least two inputs"));
    }
    const Dims dims = planner.dims(node.inputs[0]);
    const int block = planner.block_of(node.inputs[0]);
    std::vector<int> from;
    for (const int value : node.inputs) {
        if (planner.dims(value) != dims) {
            throw ModelError(message(node.label, ": the sides of the sum have different shapes"));
        }
        from.push_back(planner.read(value, block));
    }
    const std::int64_t count = image_floats(dims, block);
    const elementwise::Shape shape = elementwise::infer({.activation = node.activation, .size = count, .inputs = 2});
    const auto last = std::make_shared<elementwise::Plan>(shape, planner.threads());
    const auto plain = std::make_shared<elementwise::Plan>(elementwise::infer({.activation = {}, .size = count, .inputs = 2}),
                                                           planner.threads());
    const int to = planner.write(node.output, block, dims);
    add_step(planner, node, "elementwise", *last, from, to, elementwise::cost(shape),
             [last, plain, from, to, count](const Frame& f) {
                 const float* sum = f.in(from[0]);
                 for (std::size_t i = 1; i < from.size(); ++i) {
                     (i + 1 < from.size() ? plain : last)->run(sum, f.in(from[i]), f.out(to), f.images * count, *f.scratch);
                     sum = f.out(to);
                 }
             });
}

void lower_batch_norm(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const auto statistic = [&](const char* role) { return node.weight(role).data.data(); };
    const auto length = [&](const char* role) { return static_cast<std::int64_t>(node.weight(role).data.size()); };
    const bool features = planner.dims(x).size() == 1;
    const batch_norm::Shape shape =
        batch_norm::infer({.x = planner.image_or_pixel(x),
                           .statistics = {length("gamma"), length("beta"), length("mean"), length("variance")},
                           .epsilon = node.number("epsilon", 1e-5),
                           .activation = node.activation});
    const auto layer = std::make_shared<batch_norm::Plan>(shape, statistic("gamma"), statistic("beta"), statistic("mean"),
                                                          statistic("variance"), planner.threads(), features ? 1 : 0);
    const int block = layer->block();
    add_layer(planner, node, "batch_norm", layer, {block, block}, planner.dims(x), batch_norm::cost(one_image(shape)));
}

void lower_softmax(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    if (planner.dims(x).size() != 1) {
        throw ModelError(
            message(node.label, ": softmax expects features (C); its input has ", planner.dims(x).size(), " dimensions"));
    }
    const std::int64_t n = planner.dims(x)[0];
    const auto layer = std::make_shared<softmax::Plan>(softmax::infer({.n = planner.batch(), .size = n}), planner.threads());
    add_layer(planner, node, "softmax", layer, {1, 1}, planner.dims(x), softmax::cost(softmax::infer({.n = 1, .size = n})));
}

void lower_local_response_norm(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const local_response_norm::Shape shape = local_response_norm::infer({.x = planner.image_dims(node, x),
                                                                         .size = node.integers("size", 1, 5)[0],
                                                                         .alpha = node.number("alpha", 1e-4),
                                                                         .beta = node.number("beta", 0.75),
                                                                         .k = node.number("k", 1.0)});
    const auto layer = std::make_shared<local_response_norm::Plan>(shape, planner.threads());
    const int block = layer->block();
    add_layer(planner, node, "local_response_norm", layer, {block, block}, planner.dims(x),
              local_response_norm::cost(one_image(shape)));
}

void lower_concat(Planner& planner, const Node& node) {
    concat::Params params;
    for (const int value : node.inputs) {
        params.x.push_back(planner.image_or_pixel(value));
    }
    const Dims& first = planner.dims(node.inputs[0]);
    const bool features = first.size() == 1;
    const concat::Shape shape = concat::infer(params);
    if (planner.joined(node.output) >= 0) {
        planner.alias(node.output, planner.block_of(node.inputs[0]), {shape.c, shape.ih, shape.iw}, planner.joined(node.output));
        return;
    }
    const auto layer = std::make_shared<concat::Plan>(shape, planner.threads(), features ? 1 : 0);
    std::vector<int> from;
    for (const int value : node.inputs) {
        if (planner.dims(value).size() != first.size()) {
            throw ModelError(message(node.label, ": features and images cannot be joined"));
        }
        from.push_back(planner.read(value, layer->block()));
    }
    const Dims dims = features ? Dims{shape.c} : Dims{shape.c, shape.ih, shape.iw};
    const int to = planner.write(node.output, layer->block(), dims);
    add_step(planner, node, "concat", *layer, from, to, concat::cost(one_image(shape)),
             [layer, from, to](const Frame& f) { layer->run(f.buffers, f.out(to), f.images, *f.scratch, from.data()); });
}

} // namespace

void add_plain_lowerings(std::map<std::string, Lowering>& table) {
    table["flatten"] = &lower_flatten;
    table["dense"] = &lower_dense;
    table["activation"] = &lower_activation;
    table["add"] = &lower_add;
    table["batch_norm"] = &lower_batch_norm;
    table["softmax"] = &lower_softmax;
    table["local_response_norm"] = &lower_local_response_norm;
    table["concat"] = &lower_concat;
    table["dropout"] = [](Planner& planner, const Node& node) {
        const int x = node.inputs.at(0);
        const int block = planner.block_of(x);
        planner.alias(node.output, block, planner.dims(x), planner.read(x, block));
    };
}

} // namespace fk::net
