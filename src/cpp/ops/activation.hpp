// Names of the activations in fk_shapes.h.
#pragma once

#include <string_view>

#include "fk_shapes.h"

namespace fk {

struct Activation {
    int kind = FK_ACTIVATION_NONE;
    float alpha = 0.0F;
};

// "none", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"; ValueError lists them.
int activation_kind(std::string_view name);
// The usual slope or scale: 0.01 for leaky_relu, 1 for elu.
float activation_default_alpha(int kind);
const char* activation_name(int kind);

// One value, in plain C++: what the vector code in epilogue.inl.hpp means.
float activate(float x, int kind, float alpha);

} // namespace fk
