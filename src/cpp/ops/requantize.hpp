// 8-bit numbers and what they stand for.
//
//   x = scale (q - zero_point)     q uint8 for values between layers, int8 with zero point 0 for weights
//
// A layer's sum S = sum (q_x - z_x) q_w stands for s_x s_w S; with s_y, z_y of its result and a float bias b
//   q_y = round( S s_x s_w / s_y + (b / s_y + z_y) )
// so what a kernel is given is one multiplier and one offset for each channel (Jacob et al. 2018, section 2, with the
// multiplier in float32). The part - z_x sum q_w of S is known when a plan is made: sums start there.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/tensor.hpp"
#include "ops/requantize_leaf.hpp"

namespace fk {

inline constexpr int byte_block = 16; // channels that 8-bit values keep side by side, on every instruction set

struct Quantization {
    float scale = 0; // above 0; 0: unknown
    int zero_point = 0;
};

// What requantisation is made of, for each output channel.
struct Requantization {
    std::vector<float> multiplier, offset;
    float residual_multiplier = 0;
    float low = 0, high = 255;
};

// Throws ValueError where a zero point is no byte.
void check_zero_point(int zero_point);
// Throws ValueError where a number is not finite, or the clip does not lie in 0..255.
void check_requantization(const Requantization& r, std::int64_t channels);

// The same, in whole blocks of channels, for kernels; channels past the last give 0.
class PackedRequantization {
  public:
    PackedRequantization(const Requantization& r, std::int64_t channels);
    RequantizeLeaf from(std::int64_t channel) const {
        return {multiplier_.data() + channel, offset_.data() + channel, residual_multiplier_, low_, high_};
    }

  private:
    Tensor<float> multiplier_, offset_;
    float residual_multiplier_, low_, high_;
};

// One value, in plain C++: what the vector code means.
inline float requantized(std::int32_t sum, const RequantizeLeaf& r, std::int64_t channel) {
    const float scaled = static_cast<float>(sum) * r.multiplier[channel];
    return scaled + r.offset[channel];
}
inline float add_residual(float v, std::uint8_t residual, const RequantizeLeaf& r) {
    const float other = static_cast<float>(residual) * r.residual_multiplier;
    return v + other;
}
inline std::uint8_t to_byte(float v, float low, float high) {
    v = v > low ? v : low;
    return static_cast<std::uint8_t>(std::nearbyint(v < high ? v : high));
}

} // namespace fk
