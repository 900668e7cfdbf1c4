// Activations on vectors; included by files built for an instruction set, after simd/vec.hpp.
#pragma once

#include "fk_shapes.h"

namespace fk::FK_ISA {
namespace {

// max(0, x) written so that NaN passes through: the second operand is returned where one is NaN.
FK_INLINE vf relu(vf x) { return max(zero(), x); }

static inline __attribute__((noinline)) vf activate_slow(vf x, int kind, float alpha) {
    switch (kind) {
    case FK_ACTIVATION_LEAKY_RELU:
        return select(lt(x, zero()), splat(alpha) * x, x);
    case FK_ACTIVATION_SIGMOID:
        return sigmoid(x);
    case FK_ACTIVATION_TANH:
        return tanh(x);
    case FK_ACTIVATION_HARD_SWISH:
        return x * min(splat(6.0F), max(zero(), x + splat(3.0F))) * splat(1.0F / 6);
    case FK_ACTIVATION_SILU:
        return x * sigmoid(x);
    case FK_ACTIVATION_ELU: {
        // e^x - 1 by its series near 0, where the subtraction would cancel.
        const vf series =
            x * fma(x, fma(x, fma(x, fma(x, splat(1.0F / 120), splat(1.0F / 24)), splat(1.0F / 6)), splat(0.5F)), splat(1.0F));
        const vf below = select(gt(x, splat(-0.25F)), series, exp(x) - splat(1.0F));
        return select(lt(x, zero()), splat(alpha) * below, x);
    }
    default:
        return x;
    }
}

// The larger of two. NaN stays: max() gives its second operand where one is NaN, so one in a stays, and one in b is chosen.
FK_INLINE vf max_or_nan(vf a, vf b) { return select(eq(b, b), max(b, a), b); }

// None, relu and relu6, the first kinds, only clip their input; NaN, a second operand, passes.
FK_INLINE bool is_clip(int kind) { return kind <= FK_ACTIVATION_RELU6; }
struct Clip {
    vf floor, ceiling;
};
FK_INLINE Clip clip_of(int kind) {
    return {splat(kind == FK_ACTIVATION_NONE ? -__builtin_inff() : 0.0F),
            splat(kind == FK_ACTIVATION_RELU6 ? 6.0F : __builtin_inff())};
}
FK_INLINE vf clip(Clip c, vf x) { return min(c.ceiling, max(c.floor, x)); }
#if FK_HALVES
FK_INLINE vh clip(Clip c, vh x) { return min(low(c.ceiling), max(low(c.floor), x)); }
#endif

FK_INLINE vf activate(vf x, int kind, float alpha) {
    return is_clip(kind) ? clip(clip_of(kind), x) : activate_slow(x, kind, alpha);
}

} // namespace
} // namespace fk::FK_ISA
