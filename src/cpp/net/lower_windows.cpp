// Convolutions and pools.

#include "base/error.hpp"
#include "net/lower.hpp"
#include "ops/conv2d/conv2d.hpp"
#include "ops/depthwise/depthwise.hpp"
#include "ops/global_pool/global_pool.hpp"
#include "ops/pool/pool.hpp"
#include "ops/separable/separable.hpp"

namespace fk::net {

namespace {

// A convolution, with what is added before the activation.
template <class Plan> void add_convolution(Planner& planner, const Node& node, const char* op, const std::shared_ptr<Plan>& layer,
                                           Blocks blocks, const Dims& dims, const Cost& cost) {
    std::vector<int> reads{planner.read(node.inputs.at(0), blocks.in)};
    if (node.residual >= 0) {
        if (planner.dims(node.residual) != dims) {
            throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
        }
        reads.push_back(planner.read(node.residual, blocks.out));
    }
    const int from = reads.front();
    const int residual = node.residual >= 0 ? reads.back() : -1;
    const int to = planner.joined_channels(node.output) > 0 ? planner.write_part(node.output, blocks.out, dims)
                                                            : planner.write(node.output, blocks.out, dims);
    add_step(planner, node, op, *layer, reads, to, cost, [layer, from, residual, to](const Frame& f) {
        layer->run(f.in(from), f.out(to), residual >= 0 ? f.in(residual) : nullptr, f.images, *f.scratch);
    });
}

void lower_depthwise(Planner& planner, const Node& node) {
    const depthwise::Shape shape = depthwise::infer(depthwise_params(planner, node));
    const auto layer = std::make_shared<depthwise::Plan>(shape, node.weight("w").data.data(), bias_of(node), planner.threads());
    const int block = layer->block();
    add_convolution(planner, node, "depthwise", layer, {block, block}, {shape.oc, shape.oh, shape.ow},
                    depthwise::cost(one_image(shape)));
}

void lower_separable(Planner& planner, const Node& node) {
    const Node& before = *node.before;
    const depthwise::Shape first = depthwise::infer(depthwise_params(planner, before));
    conv2d::Params params = conv2d_params(planner, node);
    params.x = {first.n, first.oc, first.oh, first.ow};
    const conv2d::Shape second = conv2d::infer(params);
    const auto layer =
        std::make_shared<separable::Plan>(first, separable::Filters{before.weight("w").data.data(), bias_of(before)}, second,
                                          separable::Filters{node.weight("w").data.data(), bias_of(node)}, planner.threads());
    const int block = layer->block();
    add_convolution(planner, node, "separable", layer, {block, block}, {second.oc, second.oh, second.ow},
                    separable::cost(one_image(first), one_image(second)));
}

void lower_conv2d(Planner& planner, const Node& node);

// A depthwise convolution and the pointwise one after it, in one step where that can be shared well, else in two.
void lower_depthwise_separable(Planner& planner, const Node& node) {
    const depthwise::Shape first = depthwise::infer(depthwise_params(planner, *node.before));
    if (separable::rows_share_evenly(first, planner.threads())) {
        lower_separable(planner, node);
        return;
    }
    lower_depthwise(planner, *node.before);
    Node second = node;
    second.before = nullptr;
    second.inputs.at(0) = node.before->output;
    lower_conv2d(planner, second);
}

// What a pool gives that is taken along by the layer before it; complaints name the pool.
pool::Shape pooled_shape(const Planner& planner, const Node& node) {
    try {
        return pool::infer(pool_params(planner, node, pool_max));
    } catch (const ValueError& e) {
        throw ModelError(message(node.label, ": ", e.what()));
    }
}

void lower_conv2d(Planner& planner, const Node& node) {
    if (node.before) {
        lower_depthwise_separable(planner, node);
        return;
    }
    const int x = node.inputs.at(0);
    if (node.is_depthwise()) {
        lower_depthwise(planner, node);
        return;
    }
    const conv2d::Shape shape = conv2d::infer(conv2d_params(planner, node));

    // A picture of one or three channels would fill its blocks with zeros; the kernels read it as it is.
    const bool plain = planner.is_input(x) && shape.ic < 4;
    const auto layer =
        std::make_shared<conv2d::Plan>(shape, node.weight("w").data.data(), bias_of(node), plain, planner.threads());
    if (planner.joined_channels(node.output) > 0) {
        layer->place_in(planner.joined_channels(node.output));
    }
    const int block = layer->block();
    const Blocks blocks{layer->planar() ? 1 : block, block};
    Cost cost = conv2d::cost(one_image(shape));
    cost.work = layer->work_of_image();
    const Dims dims{shape.oc, shape.oh, shape.ow};
    if (const Node* after = planner.pool_after(node)) {
        planner.set_dims(node.output, dims);
        const pool::Shape pool = pooled_shape(planner, *after);
        if (layer->pool(pool)) {
            planner.fused(*after);
            Node both = node;
            both.output = after->output;
            cost.bytes_written = pool::cost(one_image(pool)).bytes_written;
            add_convolution(planner, both, "conv2d", layer, blocks, {pool.c, pool.oh, pool.ow}, cost);
            return;
        }
    }
    add_convolution(planner, node, "conv2d", layer, blocks, dims, cost);
}

template <PoolKind KIND> void lower_pool(Planner& planner, const Node& node) {
    const pool::Shape shape = pool::infer(pool_params(planner, node, KIND));
    const auto layer = std::make_shared<pool::Plan>(shape, planner.threads());
    const int block = layer->block();
    add_layer(planner, node, "pool", layer, {block, block}, {shape.c, shape.oh, shape.ow}, pool::cost(one_image(shape)));
}

template <GlobalPoolKind KIND> void lower_global_pool(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const global_pool::Shape shape = global_pool::infer({.x = planner.image_dims(node, x), .kind = KIND});
    const auto layer = std::make_shared<global_pool::Plan>(shape, planner.threads());
    add_layer(planner, node, "global_pool", layer, {layer->block(), 1}, {shape.c}, global_pool::cost(one_image(shape)));
}

} // namespace

void add_window_lowerings(std::map<std::string, Lowering>& table) {
    table["conv2d"] = &lower_conv2d;
    table["max_pool2d"] = &lower_pool<pool_max>;
    table["avg_pool2d"] = &lower_pool<pool_average>;
    table["l2_pool2d"] = &lower_pool<pool_l2>;
    table["global_max_pool"] = &lower_global_pool<global_pool_max>;
    table["global_avg_pool"] = &lower_global_pool<global_pool_average>;
}

} // namespace fk::net
