// Values as bytes, and the steps between them and float32.

#include "net/quantized.hpp"
#include "ops/quantize/quantize.hpp"

namespace fk::net {

namespace {

constexpr int blocked = static_cast<int>(Planner::Bytes::blocked);

std::int64_t pixels_of(const Dims& image) { return image[1] * image[2]; }

} // namespace

const Dims& Planner::image_of(int value) const {
    const auto found = images_.find(value);
    return found != images_.end() ? found->second : dims(value);
}

int Planner::find_bytes(std::int64_t bytes) {
    const int next = static_cast<int>(steps_.size());
    buffers_.push_back({.floats = ceil_div(bytes, 4), .place = Place::arena, .first = next, .last = next});
    return static_cast<int>(buffers_.size()) - 1;
}

int Planner::unnamed_bytes(const Dims& image) { return find_bytes(bytes_of(image)); }

int Planner::write_bytes(int value, const Dims& shape, const Dims& image) {
    set_dims(value, shape);
    images_[value] = image;
    const int buffer = unnamed_bytes(image);
    buffer_of_[{value, blocked}] = buffer;
    return buffer;
}

void Planner::alias_bytes(int value, const Dims& shape, int from) {
    images_[value] = image_of(from);
    alias(value, blocked, shape, buffer_of_.at({from, blocked}));
}

int Planner::read_bytes(int value, Bytes layout) {
    const auto found = buffer_of_.find({value, static_cast<int>(layout)});
    if (found != buffer_of_.end()) {
        return found->second;
    }
    const Dims shape = dims(value);
    const Dims image = as_image(shape);
    const bool planar = layout == Bytes::planar;
    const int block = planar ? 1 : block_of(value);
    const int from = read(value, block);
    const auto layer = std::make_shared<quantize::Plan>(
        quantize::Shape{.channels = image[0], .pixels = pixels_of(image), .block = planar ? 0 : block}, quantization(value),
        threads_);
    const quantize::Shape one{.channels = image[0], .pixels = pixels_of(image), .block = block};
    Node node;
    node.label = "quantize '" + graph().values[static_cast<std::size_t>(value)] + "'";
    int to = -1;
    if (planar) {
        to = find_bytes(image[0] * pixels_of(image));
        buffer_of_[{value, static_cast<int>(layout)}] = to;
    } else {
        to = write_bytes(value, shape);
    }
    note_kernel("quantize", layer->kernel().name, layer->kernel().isa);
    step(node, {from}, to, quantize::cost(one, true),
         [layer, from, to](const Frame& f) { layer->to_bytes(f.in(from), f.bytes_out(to), f.images); });
    return to;
}

int Planner::dequantized(int value, int block) {
    const Dims shape = dims(value);
    const Dims& image = image_of(value);
    const int from = buffer_of_.at({value, blocked});
    const quantize::Shape what{.channels = image[0], .pixels = pixels_of(image), .block = block};
    const auto layer = std::make_shared<quantize::Plan>(what, quantization(value), threads_);
    const int to = write(value, block, shape);
    Node node;
    node.label = "dequantize '" + graph().values[static_cast<std::size_t>(value)] + "'";
    note_kernel("quantize", layer->kernel().name, layer->kernel().isa);
    step(node, {from}, to, quantize::cost(what, false),
         [layer, from, to](const Frame& f) { layer->to_floats(f.bytes_in(from), f.out(to), f.images); });
    return to;
}

} // namespace fk::net
