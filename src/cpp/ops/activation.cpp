#include "ops/activation.hpp"

#include <array>
#include <cmath>
#include <string>

#include "base/error.hpp"

namespace fk {

namespace {
constexpr std::array<const char*, 9> names = {"none", "relu",       "relu6", "leaky_relu", "sigmoid",
                                              "tanh", "hard_swish", "silu",  "elu"};
}

int activation_kind(std::string_view name) {
    std::string known;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) {
            return static_cast<int>(i);
        }
        known += (i != 0 ? ", " : "") + std::string(names[i]);
    }
    throw ValueError(message("unknown activation '", name, "'; known: ", known));
}

const char* activation_name(int kind) { return names.at(static_cast<std::size_t>(kind)); }

float activation_default_alpha(int kind) {
    return kind == FK_ACTIVATION_LEAKY_RELU ? 0.01F : kind == FK_ACTIVATION_ELU ? 1.0F : 0.0F;
}

float activate(float x, int kind, float alpha) {
    switch (kind) {
    case FK_ACTIVATION_RELU:
        return x < 0 ? 0.0F : x;
    case FK_ACTIVATION_RELU6:
        return x < 0 ? 0.0F : x > 6 ? 6.0F : x;
    case FK_ACTIVATION_LEAKY_RELU:
        return x < 0 ? alpha * x : x;
    case FK_ACTIVATION_SIGMOID:
        return 1 / (1 + std::exp(-x));
    case FK_ACTIVATION_TANH:
        return std::tanh(x);
    case FK_ACTIVATION_HARD_SWISH:
        return x * (x < -3 ? 0.0F : x > 3 ? 6.0F : x + 3) / 6;
    case FK_ACTIVATION_SILU:
        return x / (1 + std::exp(-x));
    case FK_ACTIVATION_ELU:
        return x < 0 ? alpha * std::expm1(x) : x;
    default:
        return x;
    }
}

} // namespace fk
