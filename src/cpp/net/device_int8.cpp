// Layers on bytes on a device: what net/lower_int8.cpp and net/planner_int8.cpp are on the processor, so that both plan the same
// layers with the same numbers.

#include "base/error.hpp"
#include "net/device_planner.hpp"
#include "net/quantized.hpp"
#include "ops/add_int8/add_int8.hpp"
#include "ops/concat_int8/concat_int8.hpp"
#include "ops/conv2d_int8/conv2d_int8.hpp"
#include "ops/dense_int8/dense_int8.hpp"
#include "ops/depthwise_int8/depthwise_int8.hpp"
#include "ops/lookup_int8/lookup_int8.hpp"
#include "ops/pool_int8/pool_int8.hpp"
#include "ops/quantize/quantize.hpp"

namespace fk::net {

namespace {

std::int64_t bytes_of(const Dims& image) { return round_up(image[0], byte_block) * image[1] * image[2]; }

template <class T> Weight weight_of(const std::vector<T>& values, const Dims& dims) {
    return {.dims = dims, .data = std::vector<float>(values.begin(), values.end())};
}

// A step on bytes: weights go to the device as the whole numbers that they are.
struct Layer {
    const char* op;
    std::vector<int> inputs;
    int output;
    int residual = -1;
};
template <class Shape> void add_layer(DevicePlanner& planner, const Node& node, const Layer& layer, const Shape& shape,
                                      const Cost& cost, std::map<std::string, Weight> weights = {}) {
    DeviceStep& step = planner.add(node, layer.op, shape, cost);
    step.inputs = layer.inputs;
    step.output = layer.output;
    step.residual = layer.residual;
    step.weights = std::move(weights);
}

std::map<std::string, Weight> weights_of(const Node& node, const QuantizedWeights& w, const Requantization& r) {
    const Dims filters{static_cast<std::int64_t>(w.scale.size())};
    return {{"w", weight_of(w.values, node.weight("w").dims)},
            {"multiplier", weight_of(r.multiplier, filters)},
            {"offset", weight_of(r.offset, filters)}};
}

bool lower_conv2d(DevicePlanner& planner, const Node& node) {
    if (!is_clip(node.activation) || (node.is_depthwise() && node.residual >= 0)) {
        return false;
    }
    const int x = node.inputs.at(0);
    const int zero_point = planner.quantization(x).zero_point;
    if (node.is_depthwise()) {
        const auto shape = one_image(depthwise_int8::infer(depthwise_params(planner, node)));
        const QuantizedWeights w = quantize_weights(node);
        const Requantization r = requantization(planner, node, w);
        const int from = planner.read_bytes(x);
        const int to = planner.write_bytes(node.output, {shape.oc, shape.oh, shape.ow});
        add_layer(planner, node, {"depthwise_int8", {from}, to}, depthwise_int8::device_shape(shape, zero_point, r),
                  depthwise_int8::cost(shape), weights_of(node, w, r));
        return true;
    }
    const auto shape = one_image(conv2d_int8::infer(conv2d_params(planner, node)));
    const QuantizedWeights w = quantize_weights(node);
    const Requantization r = requantization(planner, node, w);
    const int from = planner.read_bytes(x, x == planner.graph().input && shape.ic < 4);
    const Dims dims{shape.oc, shape.oh, shape.ow};
    int residual = -1;
    if (node.residual >= 0) {
        if (planner.dims(node.residual) != dims) {
            throw ModelError(message(node.label, ": the two sides of the sum have different shapes"));
        }
        residual = planner.read_bytes(node.residual);
    }
    const int to = planner.write_bytes(node.output, dims);
    add_layer(planner, node, {"conv2d_int8", {from}, to, residual}, conv2d_int8::device_shape(shape, zero_point, r),
              conv2d_int8::cost(shape), weights_of(node, w, r));
    return true;
}

bool lower_dense(DevicePlanner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    const Weight& weights = node.weight("w");
    if (!is_clip(node.activation) || planner.dims(x).size() != 1 || weights.dims.size() != 2) {
        return false;
    }
    const int from = planner.read_bytes(x);
    const Dims& image = planner.image_of(x);
    const dense_int8::Shape shape =
        dense_int8::infer({.x = {1, image[0], image[1] * image[2]}, .w = {weights.dims[0], weights.dims[1]}});
    const QuantizedWeights w = quantize_weights(node);
    const bool floats = wanted_as_floats(planner.graph(), node.output);
    const Requantization r = floats ? to_floats(planner, node, w) : requantization(planner, node, w);
    int to = node.output;
    if (floats) {
        planner.write_floats(node.output, {shape.out});
    } else {
        to = planner.write_bytes(node.output, {shape.out});
    }
    const dense_int8::Result result = floats ? dense_int8::Result::floats : dense_int8::Result::bytes;
    add_layer(planner, node, {"dense_int8", {from}, to},
              dense_int8::device_shape(shape, planner.quantization(x).zero_point, r, result), dense_int8::cost(shape),
              weights_of(node, w, r));
    return true;
}

void add_pool(DevicePlanner& planner, const Node& node, const pool::Params& params, bool features) {
    const pool_int8::Shape shape = one_image(pool_int8::infer(params));
    const int x = node.inputs[0];
    const int from = planner.read_bytes(x);
    const int to = planner.write_bytes(node.output, features ? Dims{shape.c} : Dims{shape.c, shape.oh, shape.ow});
    add_layer(planner, node, {"pool_int8", {from}, to},
              pool_int8::device_shape(shape, planner.quantization(x), planner.quantization(node.output)), pool_int8::cost(shape));
}

template <PoolKind KIND> bool lower_pool(DevicePlanner& planner, const Node& node) {
    add_pool(planner, node, pool_params(planner, node, KIND), false);
    return true;
}

template <PoolKind KIND> bool lower_global_pool(DevicePlanner& planner, const Node& node) {
    const std::array<std::int64_t, 4> x = planner.image_dims(node, node.inputs.at(0));
    pool::Params params{.x = x, .kind = KIND};
    params.window.size = {x[2], x[3]};
    add_pool(planner, node, params, true);
    return true;
}

bool lower_add(DevicePlanner& planner, const Node& node) {
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
    add_layer(planner, node, {"add_int8", from, to}, add_int8::device_shape(params, 1), add_int8::cost({params.count}));
    return true;
}

void add_lookup(DevicePlanner& planner, const Node& node, const Dims& image, int from, int to, const lookup_int8::Table& table) {
    const lookup_int8::Shape shape{bytes_of(image)};
    add_layer(planner, node, {"lookup_int8", {from}, to}, lookup_int8::device_shape(shape, 1), lookup_int8::cost(shape),
              {{"table", weight_of(std::vector<std::uint8_t>(table.begin(), table.end()), {256})}});
}

bool lower_activation(DevicePlanner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    if (!planner.stands_as_bytes(x) || (planner.dims(x).size() == 1 && wanted_as_floats(planner.graph(), node.output))) {
        return false;
    }
    const Dims image = planner.image_of(x);
    const lookup_int8::Table table =
        lookup_int8::tabulate(planner.quantization(x), planner.quantization(node.output),
                              [a = node.activation](float value) { return activate(value, a.kind, a.alpha); });
    const int from = planner.read_bytes(x);
    add_lookup(planner, node, image, from, planner.write_bytes(node.output, planner.dims(x), image), table);
    return true;
}

bool lower_flatten(DevicePlanner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    if (!planner.stands_as_bytes(x)) {
        return false;
    }
    const Dims& d = planner.dims(x);
    planner.alias_bytes(node.output, d.size() == 3 ? Dims{d[0] * d[1] * d[2]} : d, x);
    return true;
}

// The value in the scale of the concatenation that reads it.
int rescaled(DevicePlanner& planner, const Node& node, int value) {
    const int from = planner.read_bytes(value);
    const Quantization& x = planner.quantization(value);
    const Quantization& y = planner.quantization(node.output);
    if (x.scale == y.scale && x.zero_point == y.zero_point) {
        return from;
    }
    Node step;
    step.label = "rescale '" + planner.graph().values[static_cast<std::size_t>(value)] + "'";
    const Dims image = planner.image_of(value);
    const int to = planner.unnamed_bytes(image);
    add_lookup(planner, step, image, from, to, lookup_int8::tabulate(x, y, [](float v) { return v; }));
    return to;
}

bool lower_concat(DevicePlanner& planner, const Node& node) {
    concat::Params params;
    for (const int value : node.inputs) {
        const Dims& d = planner.dims(value);
        if (d.size() != 3) {
            return false; // features, which may come from images of several shapes
        }
        params.x.push_back({1, d[0], d[1], d[2]});
    }
    const concat::Shape shape = concat::infer(params);
    std::vector<int> from;
    from.reserve(node.inputs.size());
    for (const int value : node.inputs) {
        from.push_back(rescaled(planner, node, value));
    }
    const int to = planner.write_bytes(node.output, {shape.c, shape.ih, shape.iw});
    for (std::size_t i = 0; i < from.size(); ++i) {
        const fk_concat_int8_shape piece = concat_int8::device_shape(shape, static_cast<int>(i));
        add_layer(planner, node, {"concat_int8", {from[i]}, to}, piece, concat_int8::device_cost(piece));
    }
    return true;
}

using Int8Lowering = bool (*)(DevicePlanner&, const Node&);
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

bool DevicePlanner::lower_int8(const Node& node) {
    const auto lowering = lowerings().find(node.op);
    return lowering != lowerings().end() && lowering->second(*this, node);
}

int DevicePlanner::unnamed_bytes(const Dims& image) {
    more_.push_back(bytes_of(image) / 4);
    return static_cast<int>(graph().values.size() + more_.size()) - 1;
}

int DevicePlanner::write_bytes(int value, const Dims& dims, const Dims& image) {
    set_dims(value, dims);
    images_[value] = as_image(image);
    stands_as_bytes_.insert(value);
    return bytes_[value] = unnamed_bytes(images_[value]);
}

void DevicePlanner::alias_bytes(int value, const Dims& dims, int from) {
    set_dims(value, dims);
    images_[value] = image_of(from);
    stands_as_bytes_.insert(value);
    bytes_[value] = bytes_.at(from);
}

const Dims& DevicePlanner::image_of(int value) const {
    const auto found = images_.find(value);
    return found != images_.end() ? found->second : dims(value);
}

DeviceStep& DevicePlanner::change_of_form(const char* what, int value, int from, int to, bool to_floats) {
    const Dims& image = images_.at(value);
    const quantize::Shape shape{.channels = image[0], .pixels = image[1] * image[2], .block = 1};
    Node node;
    node.label = std::string(what) + " '" + graph().values[static_cast<std::size_t>(value)] + "'";
    DeviceStep& step = add(node, "quantize", quantize::device_shape(shape, quantization(value), 1, to_floats),
                           quantize::cost(shape, !to_floats));
    step.inputs = {from};
    step.output = to;
    return step;
}

int DevicePlanner::read_bytes(int value, bool alone) {
    if (!bytes_.contains(value)) {
        images_[value] = as_image(dims(value));
        bytes_[value] = unnamed_bytes(images_[value]);
        change_of_form("quantize", value, value, bytes_[value], false);
    }
    if (!alone) {
        stands_as_bytes_.insert(value);
    }
    return bytes_[value];
}

void DevicePlanner::read_floats(int value) {
    if (stands_as_floats_.insert(value).second) {
        change_of_form("dequantize", value, bytes_.at(value), value, true);
    }
}

} // namespace fk::net
