// Convolutions and pools.

#include <memory>

#include "base/error.hpp"
#include "net/planner.hpp"
#include "ops/conv2d/conv2d.hpp"
#include "ops/depthwise/depthwise.hpp"
#include "ops/global_pool/global_pool.hpp"
#include "ops/pool/pool.hpp"

namespace fk::net {

namespace {

WindowParams window_of(const Node& node, const char* size_name) {
    WindowParams window;
    const auto stride = node.integers("stride", 2, 1);
    const auto padding = node.integers("padding", 4, 0);
    window.stride = {stride[0], stride[1]};
    window.padding.sides = {padding[0], padding[1], padding[2], padding[3]};
    if (size_name != nullptr) {
        const auto size = node.integers(size_name, 2);
        window.size = {size[0], size[1]};
    }
    return window;
}

std::array<std::int64_t, 4> filter_dims(const Node& node) {
    const Weight& w = node.weight("w");
    if (w.dims.size() != 4) {
        throw ModelError(message(node.label, ": weight 'w' must have 4 dimensions, has ", w.dims.size()));
    }
    return {w.dims[0], w.dims[1], w.dims[2], w.dims[3]};
}

const float* bias_of(const Node& node) {
    const Weight* b = node.find_weight("b");
    return b != nullptr ? b->data.data() : nullptr;
}

std::array<std::int64_t, 2> dilation_of(const Node& node) {
    const auto dilation = node.integers("dilation", 2, 1);
    return {dilation[0], dilation[1]};
}

// The buffers of a convolution: input, what is added before the activation (-1: nothing), output.
struct Sides {
    int from, residual, to;

    std::vector<int> reads() const { return residual >= 0 ? std::vector<int>{from, residual} : std::vector<int>{from}; }
};

Sides read_sides(Planner& planner, const Node& node, int in_block, int out_block, const Dims& out_dims) {
    const int from = planner.read(node.inputs.at(0), in_block);
    int residual = -1;
    if (node.residual >= 0) {
        if (planner.dims(node.residual) != out_dims) {
            throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
        }
        residual = planner.read(node.residual, out_block);
    }
    return {from, residual, planner.write(node.output, out_block, out_dims)};
}

void lower_depthwise(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    depthwise::Params params;
    params.x = planner.image_dims(node, x);
    params.w = filter_dims(node);
    const Weight* b = node.find_weight("b");
    params.bias = b != nullptr ? static_cast<std::int64_t>(b->data.size()) : -1;
    params.window = window_of(node, nullptr);
    params.window.dilation = dilation_of(node);
    params.activation = node.activation;
    const depthwise::Shape shape = depthwise::infer(params);
    const auto layer = std::make_shared<depthwise::Plan>(shape, node.weight("w").data.data(), bias_of(node), planner.threads());
    planner.book(layer->scratch());
    const Sides sides = read_sides(planner, node, layer->block(), layer->block(), {shape.oc, shape.oh, shape.ow});
    depthwise::Shape one = shape;
    one.n = 1;
    note_kernel("depthwise", layer->kernel().name, layer->kernel().isa);
    planner.step(node, sides.reads(), sides.to, depthwise::cost(one), [layer, sides](const Frame& f) {
        layer->run(f.in(sides.from), f.out(sides.to), sides.residual >= 0 ? f.in(sides.residual) : nullptr, f.images, *f.scratch);
    });
}

void lower_conv2d(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const std::array<std::int64_t, 4> filters = filter_dims(node);
    const std::int64_t channels = planner.image_dims(node, x)[1];
    if (channels > 1 && filters[1] == 1 && filters[0] == channels && node.integers("groups", 1, 1)[0] == channels) {
        lower_depthwise(planner, node);
        return;
    }
    conv2d::Params params;
    params.x = planner.image_dims(node, x);
    params.w = filters;
    const Weight* b = node.find_weight("b");
    params.bias = b != nullptr ? static_cast<std::int64_t>(b->data.size()) : -1;
    params.window = window_of(node, nullptr);
    params.window.dilation = dilation_of(node);
    params.groups = node.integers("groups", 1, 1)[0];
    params.activation = node.activation;
    const conv2d::Shape shape = conv2d::infer(params);

    // A picture of one or three channels would fill its blocks with zeros; the kernels read it as it is.
    const bool planar = planner.is_input(x) && shape.ic < 4;
    const auto layer =
        std::make_shared<conv2d::Plan>(shape, node.weight("w").data.data(), bias_of(node), planar, planner.threads());
    planner.book(layer->scratch());
    const Sides sides = read_sides(planner, node, planar ? 1 : layer->block(), layer->block(), {shape.oc, shape.oh, shape.ow});
    conv2d::Shape one = shape;
    one.n = 1;
    note_kernel("conv2d", layer->kernel().name, layer->kernel().isa);
    planner.step(node, sides.reads(), sides.to, conv2d::cost(one), [layer, sides](const Frame& f) {
        layer->run(f.in(sides.from), f.out(sides.to), sides.residual >= 0 ? f.in(sides.residual) : nullptr, f.images, *f.scratch);
    });
}

template <PoolKind KIND> void lower_pool(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const pool::Shape shape = pool::infer({.x = planner.image_dims(node, x),
                                           .window = window_of(node, "size"),
                                           .kind = KIND,
                                           .count_include_pad = node.number("count_include_pad", 0) != 0});
    const auto layer = std::make_shared<pool::Plan>(shape, planner.threads());
    planner.book(layer->scratch());
    const int from = planner.read(x, layer->block());
    const int to = planner.write(node.output, layer->block(), {shape.c, shape.oh, shape.ow});
    pool::Shape one = shape;
    one.n = 1;
    note_kernel("pool", layer->kernel().name, layer->kernel().isa);
    planner.step(node, {from}, to, pool::cost(one),
                 [layer, from, to](const Frame& f) { layer->run(f.in(from), f.out(to), f.images, *f.scratch); });
}

template <GlobalPoolKind KIND> void lower_global_pool(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const global_pool::Shape shape = global_pool::infer({.x = planner.image_dims(node, x), .kind = KIND});
    const auto layer = std::make_shared<global_pool::Plan>(shape, planner.threads());
    planner.book(layer->scratch());
    const int from = planner.read(x, layer->block());
    const int to = planner.write(node.output, 1, {shape.c});
    global_pool::Shape one = shape;
    one.n = 1;
    note_kernel("global_pool", layer->kernel().name, layer->kernel().isa);
    planner.step(node, {from}, to, global_pool::cost(one),
                 [layer, from, to](const Frame& f) { layer->run(f.in(from), f.out(to), f.images, *f.scratch); });
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
