// Weights to signs, and batch normalisation with sign to a threshold: what happens once, in double precision.

#include <cmath>

#include "ops/binary/binary.hpp"

namespace fk::binary {

void binarize(const std::array<std::int64_t, 4>& dims, const float* w, std::uint32_t* bits, float* alpha) {
    const auto& [oc, c, kh, kw] = dims;
    require(oc >= 1 && c >= 1 && kh >= 1 && kw >= 1, "w must hold at least one value, its shape is [", oc, ", ", c, ", ", kh,
            ", ", kw, "]");
    const std::int64_t taps = kh * kw;
    const std::int64_t words = (c + 31) / 32;
    for (std::int64_t o = 0; o < oc; ++o, bits += taps * words) {
        double sum = 0;
        for (std::int64_t channel = 0; channel < c; ++channel) {
            for (std::int64_t tap = 0; tap < taps; ++tap, ++w) {
                sum += std::abs(double(*w));
                std::uint32_t& word = bits[tap * words + channel / 32];
                word = (channel % 32 == 0 ? 0 : word) | std::uint32_t(*w < 0) << (channel % 32);
            }
        }
        require(std::isfinite(sum), "w: filter ", o, " holds NaN or infinity, its alpha = mean |w| is ", sum);
        alpha[o] = static_cast<float>(sum / double(c * taps));
    }
}

Folded fold(const BatchNorm& norm, double alpha, double bias, std::int32_t most, std::int64_t filter) {
    const auto& [gamma, beta, mean, variance, epsilon] = norm;
    require(std::isfinite(gamma) && std::isfinite(beta) && std::isfinite(mean) && std::isfinite(variance) &&
                std::isfinite(bias) && std::isfinite(alpha),
            "filter ", filter, ": alpha = ", alpha, ", gamma = ", gamma, ", beta = ", beta, ", mean = ", mean,
            ", variance = ", variance, ", b = ", bias, " must be finite");
    require(variance + epsilon > 0, "filter ", filter, ": variance + epsilon = ", variance, " + ", epsilon, " must be positive");
    const double deviation = std::sqrt(variance + epsilon);
    const std::int32_t direction = (gamma < 0) != (alpha < 0) ? -1 : 1;
    // direction S = s grows: so does what is compared with 0, rounding included.
    const auto positive = [&](std::int64_t s) {
        const double y = alpha * double(direction * s) + bias;
        return gamma * (y - mean) / deviation + beta >= 0;
    };
    std::int64_t below = -std::int64_t(most) - 1; // not positive, or smaller than all sums
    std::int64_t above = std::int64_t(most) + 1;  // positive, or larger than all sums
    while (above - below > 1) {
        const std::int64_t middle = below + (above - below) / 2;
        (positive(middle) ? above : below) = middle;
    }
    return {static_cast<std::int32_t>(above), direction};
}

} // namespace fk::binary
