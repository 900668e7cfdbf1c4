// A device's steps on bytes: the same layers as the processor's, with the same numbers (int8_layers.hpp).

#include "net/device_planner.hpp"
#include "net/int8_layers.hpp"
#include "ops/quantize/quantize.hpp"

namespace fk::net {

namespace {

// Weights go to the device as the whole numbers that they are.
template <class T> Weight weight_of(const std::vector<T>& values, const Dims& dims) {
    return {.dims = dims, .data = std::vector<float>(values.begin(), values.end())};
}

std::map<std::string, Weight> weights_of(const Node& node, const int8::FilterWeights& w) {
    const Dims filters{static_cast<std::int64_t>(w.values.scale.size())};
    return {{"w", weight_of(w.values.values, node.weight("w").dims)},
            {"multiplier", weight_of(w.sums.multiplier, filters)},
            {"offset", weight_of(w.sums.offset, filters)}};
}

struct Steps {
    DevicePlanner& planner; // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members): lives as long as a node is lowered

    void add(const Node& node, const int8::Convolution& c) const {
        const conv2d_int8::Shape shape = one_image(c.shape);
        DeviceStep& step = add(node, "conv2d_int8", conv2d_int8::device_shape(shape, c.weights.zero_point, c.weights.sums),
                               conv2d_int8::cost(shape), {c.from}, c.to);
        step.residual = c.residual;
        step.weights = weights_of(node, c.weights);
    }

    void add(const Node& node, const int8::Depthwise& d) const {
        const depthwise_int8::Shape shape = one_image(d.shape);
        add(node, "depthwise_int8", depthwise_int8::device_shape(shape, d.weights.zero_point, d.weights.sums),
            depthwise_int8::cost(shape), {d.from}, d.to)
            .weights = weights_of(node, d.weights);
    }

    void add(const Node& node, const int8::Dense& d) const {
        const dense_int8::Shape shape = one_image(d.shape);
        add(node, "dense_int8", dense_int8::device_shape(shape, d.weights.zero_point, d.weights.sums, d.result),
            dense_int8::cost(shape), {d.from}, d.to)
            .weights = weights_of(node, d.weights);
    }

    void add(const Node& node, const int8::Pool& p) const {
        const pool_int8::Shape shape = one_image(p.shape);
        add(node, "pool_int8", pool_int8::device_shape(shape, p.x, p.y), pool_int8::cost(shape), {p.from}, p.to);
    }

    void add(const Node& node, const int8::Add& a) const {
        add(node, "add_int8", add_int8::device_shape(a.params, 1), add_int8::cost({a.params.count}), a.from, a.to);
    }

    void add(const Node& node, const int8::Lookup& l) const {
        add(node, "lookup_int8", lookup_int8::device_shape(l.shape, 1), lookup_int8::cost(l.shape), {l.from}, l.to).weights = {
            {"table", weight_of(std::vector<std::uint8_t>(l.table.begin(), l.table.end()), {256})}};
    }

    void add(const Node& node, const int8::Concat& c) const {
        const concat::Shape shape = one_image(c.shape);
        for (std::size_t i = 0; i < c.from.size(); ++i) {
            const fk_concat_int8_shape piece = concat_int8::device_shape(shape, static_cast<int>(i));
            add(node, "concat_int8", piece, concat_int8::device_cost(piece), {c.from[i]}, c.to);
        }
    }

  private:
    template <class Shape> DeviceStep& add(const Node& node, const char* op, const Shape& shape, const Cost& cost,
                                           const std::vector<int>& from, int to) const {
        DeviceStep& step = planner.add(node, op, shape, cost);
        step.inputs = from;
        step.output = to;
        step.residual = -1;
        step.weights.clear();
        return step;
    }
};

} // namespace

bool DevicePlanner::lower_int8(const Node& node) { return int8::lower(Steps{*this}, node); }

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

int DevicePlanner::read_bytes(int value) {
    const int bytes = read_planar_bytes(value);
    stands_as_bytes_.insert(value);
    return bytes;
}

int DevicePlanner::read_planar_bytes(int value) {
    if (!bytes_.contains(value)) {
        images_[value] = as_image(dims(value));
        bytes_[value] = unnamed_bytes(images_[value]);
        change_of_form("quantize", value, value, bytes_[value], false);
    }
    return bytes_[value];
}

void DevicePlanner::read_floats(int value) {
    if (stands_as_floats_.insert(value).second) {
        change_of_form("dequantize", value, bytes_.at(value), value, true);
    }
}

} // namespace fk::net
