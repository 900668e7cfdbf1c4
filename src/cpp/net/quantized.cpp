#include "net/quantized.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "net/lower.hpp"

namespace fk::net {

QuantizedWeights quantize_weights(const Node& node) {
    const Weight& w = node.weight("w");
    const auto filters = static_cast<std::size_t>(w.dims.at(0));
    const std::size_t row = w.data.size() / filters;
    QuantizedWeights result{std::vector<std::int8_t>(w.data.size()), std::vector<double>(filters)};
    for (std::size_t o = 0; o < filters; ++o) {
        double most = 0;
        for (std::size_t i = o * row; i < (o + 1) * row; ++i) {
            if (!std::isfinite(w.data[i])) {
                throw ModelError(message(node.label, ": weight 'w' has values that are not finite"));
            }
            most = std::max(most, std::abs(double(w.data[i])));
        }
        result.scale[o] = most > 0 ? most / 127 : 1;
        for (std::size_t i = o * row; i < (o + 1) * row; ++i) {
            result.values[i] = static_cast<std::int8_t>(std::nearbyint(w.data[i] / result.scale[o]));
        }
    }
    return result;
}

Clip clip_of(const Activation& activation, const Quantization& y) {
    Clip clip{0, 255};
    if (activation.kind != FK_ACTIVATION_NONE) {
        clip.low = static_cast<float>(y.zero_point);
    }
    if (activation.kind == FK_ACTIVATION_RELU6) {
        clip.high = static_cast<float>(std::min(255.0, y.zero_point + std::nearbyint(6.0 / y.scale)));
    }
    return clip;
}

bool is_clip(const Activation& a) {
    return a.kind == FK_ACTIVATION_NONE || a.kind == FK_ACTIVATION_RELU || a.kind == FK_ACTIVATION_RELU6;
}

Requantization requantization(const Values& values, const Node& node, const QuantizedWeights& w) {
    const Quantization& x = values.quantization(node.inputs.at(0));
    const Quantization& y = values.quantization(node.output);
    const float* bias = bias_of(node);
    const Clip clip = clip_of(node.activation, y);
    Requantization r;
    r.low = clip.low;
    r.high = clip.high;
    double residual_zero = 0;
    if (node.residual >= 0) {
        const Quantization& other = values.quantization(node.residual);
        r.residual_multiplier = static_cast<float>(double(other.scale) / y.scale);
        residual_zero = double(other.scale) / y.scale * other.zero_point;
    }
    for (std::size_t o = 0; o < w.scale.size(); ++o) {
        r.multiplier.push_back(static_cast<float>(x.scale * w.scale[o] / y.scale));
        r.offset.push_back(
            static_cast<float>((bias != nullptr ? bias[o] / double(y.scale) : 0.0) + y.zero_point - residual_zero));
    }
    return r;
}

Requantization to_floats(const Values& values, const Node& node, const QuantizedWeights& w) {
    const bool clipped = node.activation.kind != FK_ACTIVATION_NONE;
    const float* bias = bias_of(node);
    Requantization r;
    r.low = clipped ? 0 : -std::numeric_limits<float>::infinity();
    r.high = node.activation.kind == FK_ACTIVATION_RELU6 ? 6 : std::numeric_limits<float>::infinity();
    for (std::size_t o = 0; o < w.scale.size(); ++o) {
        r.multiplier.push_back(static_cast<float>(values.quantization(node.inputs.at(0)).scale * w.scale[o]));
        r.offset.push_back(bias != nullptr ? bias[o] : 0.0F);
    }
    return r;
}

bool wanted_as_floats(const Graph& graph, int value) {
    return value == graph.output || std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
               const bool reads = std::find(node.inputs.begin(), node.inputs.end(), value) != node.inputs.end();
               return reads && node.op != "dense" && node.op != "add";
           });
}

const Quantization& Values::quantization(int value) const {
    const auto found = graph_.quantization.find(value);
    if (found == graph_.quantization.end()) {
        throw ModelError(message("network '", graph_.name, "': value '", graph_.values[static_cast<std::size_t>(value)],
                                 "' has no quantisation; calibrate the network again"));
    }
    return found->second;
}

} // namespace fk::net
