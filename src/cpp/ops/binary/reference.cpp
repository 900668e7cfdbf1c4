// The plain meaning of binary convolution (block 1) and of packing signs.

#include "base/isa.hpp"
#include "ops/activation.hpp"
#include "ops/binary/leaf.hpp"

namespace fk::scalar {

void binary_reference(const BinaryLeaf& a);
void binary_pack_reference(const BinaryPackLeaf& a);

namespace {
std::int32_t signs(const BinaryLeaf& a, int filter, int pixel) {
    const auto* x = static_cast<const std::uint32_t*>(a.x) + a.window_at[pixel];
    const auto* w = static_cast<const std::uint32_t*>(a.w) + std::int64_t(filter) * a.kh * a.row_words;
    std::int32_t differing = 0;
    for (int p = 0; p < a.kh; ++p) {
        for (int k = 0; k < a.row_words; ++k) {
            differing += __builtin_popcount(x[p * a.x_row + k] ^ w[p * a.row_words + k]);
        }
    }
    return a.offsets[std::int64_t(a.window_case[pixel]) * a.padded_filters + filter] - 2 * differing;
}
} // namespace

void binary_reference(const BinaryLeaf& a) {
    for (int pixel = a.begin; pixel < a.end; ++pixel) {
        for (int f = 0; f < a.filters; ++f) {
            const std::int32_t sum = signs(a, f, pixel);
            if (a.y != nullptr) {
                const float scaled = static_cast<float>(sum) * a.alpha[f] * (a.scale != nullptr ? a.scale[pixel] : 1.0F);
                a.y[pixel * a.y_pixel + f * a.y_filter] = activate(scaled + a.bias[f], a.activation, a.slope);
                continue;
            }
            std::uint32_t& word = a.bits[std::int64_t(pixel) * a.out_words + f / 32];
            const std::uint32_t negative = a.direction[f] * sum < a.at_least[f] ? 1 : 0;
            word = (f % 32 == 0 ? 0 : word) | negative << (f % 32);
        }
    }
}

void binary_pack_reference(const BinaryPackLeaf& a) {
    const int words = (a.channels + 31) / 32;
    for (int p = 0; p < a.pixels; ++p) {
        for (int word = 0; word < words; ++word) {
            std::uint32_t bits = 0;
            for (int c = 32 * word; c < a.channels && c < 32 * word + 32; ++c) {
                bits |= std::uint32_t(a.x[c * a.channel_step + p * a.pixel_step] < 0) << (c % 32);
            }
            a.to[std::int64_t(p) * words + word] = bits;
        }
    }
}

} // namespace fk::scalar
