// What nodes say of windows, as the ops ask it.

#include "base/error.hpp"
#include "net/lower.hpp"

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
    } else {
        const auto dilation = node.integers("dilation", 2, 1);
        window.dilation = {dilation[0], dilation[1]};
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

} // namespace

conv2d::Params conv2d_params(const Values& values, const Node& node) {
    return {.x = values.image_dims(node, node.inputs.at(0)),
            .w = filter_dims(node),
            .bias = bias_length(node),
            .window = window_of(node, nullptr),
            .groups = node.integers("groups", 1, 1)[0],
            .activation = node.activation};
}

depthwise::Params depthwise_params(const Values& values, const Node& node) {
    return {.x = values.image_dims(node, node.inputs.at(0)),
            .w = filter_dims(node),
            .bias = bias_length(node),
            .window = window_of(node, nullptr),
            .activation = node.activation};
}

pool::Params pool_params(const Values& values, const Node& node, PoolKind kind) {
    return {.x = values.image_dims(node, node.inputs.at(0)),
            .window = window_of(node, "size"),
            .kind = kind,
            .count_include_pad = node.number("count_include_pad", 0) != 0};
}

} // namespace fk::net
