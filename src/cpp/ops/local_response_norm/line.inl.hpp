// Local response normalisation on blocked channels. The window runs across lanes and blocks, so the squares of one
// pixel's channels are laid out as a line in scratch, zeros at both ends; then the window's sum is `size` loads at
// neighbouring offsets, a vector of channels at a time.
#pragma once

#include "ops/local_response_norm/leaf.hpp"
#include "simd/vec_log.hpp"

namespace fk::FK_ISA {
namespace {

// d^-beta for d > 0: e^(-beta ln d). Infinity gives 0, NaN passes.
FK_INLINE vf power(vf d, vf minus_beta) {
    const vf value = select(lt(d, splat(__builtin_inff())), exp(minus_beta * log(d)), zero());
    return select(eq(d, d), value, d);
}

void pixel(const LocalResponseNormLeaf& a, const float* x, float* y) {
    float* squares = a.line + a.before;
    for (int c = 0; c < a.channels; c += VL) {
        // Lanes past the last channel hold anything: they become the zeros behind the line.
        const int lanes = a.channels - c < VL ? a.channels - c : VL;
        const vf v = load_n(x + c / VL * a.plane, lanes);
        store(squares + c, v * v);
    }
    const int size = a.before + 1 + a.after;
    for (int c = 0; c < a.channels; c += VL) {
        vf sum = zero();
        for (int t = 0; t < size; ++t) {
            sum = sum + load(a.line + c + t);
        }
        const int64_t at = c / VL * a.plane;
        const vf d = fma(splat(a.scale), sum, splat(a.k));
        // beta = 0 means y = x, also where d is infinite.
        const vf factor = a.beta == 0 ? splat(1.0F) : power(d, splat(-a.beta));
        store(y + at, load(x + at) * factor);
    }
}

} // namespace

void local_response_norm_line(const LocalResponseNormLeaf& a);
void local_response_norm_line(const LocalResponseNormLeaf& a) {
    for (int64_t i = 0; i < a.line_floats; ++i) {
        a.line[i] = 0;
    }
    for (int64_t p = 0; p < a.pixels; ++p) {
        pixel(a, a.x + p * VL, a.y + p * VL);
    }
}

} // namespace fk::FK_ISA
