// What the lowerings to bytes share: weights as bytes, and what becomes of sums.
#pragma once

#include "net/planner.hpp"

namespace fk::net {

// Bytes of an image [C, H, W], its channels in whole blocks.
inline std::int64_t bytes_of(const Dims& image) { return round_up(image[0], byte_block) * image[1] * image[2]; }

struct QuantizedWeights {
    std::vector<std::int8_t> values;
    std::vector<double> scale; // of each filter
};

// Of the node's weight "w": symmetric, the largest magnitude of a filter is 127. ModelError where one is not finite.
QuantizedWeights quantize_weights(const Node& node);

// Whether layers on bytes can apply it to their sums.
bool is_clip(const Activation& a);

struct Clip {
    float low, high;
};
// Where an activation that is a clip cuts, in bytes.
Clip clip_of(const Activation& activation, const Quantization& y);

// From sums to the bytes of the node's value.
Requantization requantization(const Values& values, const Node& node, const QuantizedWeights& w);
// From sums to float32.
Requantization to_floats(const Values& values, const Node& node, const QuantizedWeights& w);

// Whether something reads a vector of features as floats: the caller, or a layer that has no form on bytes.
bool wanted_as_floats(const Graph& graph, int value);

} // namespace fk::net
