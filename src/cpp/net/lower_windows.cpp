// Convolutions and pools.

#include <memory>

#include "base/error.hpp"
#include "net/planner.hpp"
#include "ops/conv2d/conv2d.hpp"

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

void lower_conv2d(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    conv2d::Params params;
    params.x = planner.image_dims(node, x);
    params.w = filter_dims(node);
    const Weight* b = node.find_weight("b");
    params.bias = b != nullptr ? static_cast<std::int64_t>(b->data.size()) : -1;
    params.window = window_of(node, nullptr);
    const auto dilation = node.integers("dilation", 2, 1);
    params.window.dilation = {dilation[0], dilation[1]};
    params.groups = node.integers("groups", 1, 1)[0];
    params.activation = node.activation;
    const conv2d::Shape shape = conv2d::infer(params);

    // A picture of one or three channels would fill its blocks with zeros; the kernels read it as it is.
    const bool planar = planner.is_input(x) && shape.ic < 4;
    const auto layer =
        std::make_shared<conv2d::Plan>(shape, node.weight("w").data.data(), bias_of(node), planar, planner.threads());
    planner.book(layer->scratch());
    const int from = planner.read(x, planar ? 1 : layer->block());
    const int residual = node.residual >= 0 ? planner.read(node.residual, layer->block()) : -1;
    if (residual >= 0 && planner.dims(node.residual) != Dims{shape.oc, shape.oh, shape.ow}) {
        throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
    }
    const int to = planner.write(node.output, layer->block(), {shape.oc, shape.oh, shape.ow});
    conv2d::Shape one = shape;
    one.n = 1;
    note_kernel("conv2d", layer->kernel().name, layer->kernel().isa);
    std::vector<int> reads{from};
    if (residual >= 0) {
        reads.push_back(residual);
    }
    planner.step(node, reads, to, conv2d::cost(one), [layer, from, residual, to](const Frame& f) {
        layer->run(f.in(from), f.out(to), residual >= 0 ? f.in(residual) : nullptr, f.images, *f.scratch);
    });
}

} // namespace

void add_window_lowerings(std::map<std::string, Lowering>& table) { table["conv2d"] = &lower_conv2d; }

} // namespace fk::net
