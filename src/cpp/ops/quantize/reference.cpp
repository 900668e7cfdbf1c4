// The plain meaning of quantize.

#include "base/isa.hpp"
#include "ops/quantize/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void quantize_reference(const QuantizeLeaf& l);
void dequantize_reference(const QuantizeLeaf& l);

namespace {
std::uint8_t to_byte(float x, const QuantizeLeaf& l) {
    const float scaled = x * l.inverse;
    return fk::to_byte(scaled + static_cast<float>(l.zero_point), 0, 255);
}
float to_float(std::uint8_t q, const QuantizeLeaf& l) { return static_cast<float>(int(q) - l.zero_point) * l.scale; }

std::int64_t place(const QuantizeLeaf& l, std::int64_t pixel, int channel) {
    return channel / l.block * l.block_step + pixel * l.block + channel % l.block;
}
} // namespace

void quantize_reference(const QuantizeLeaf& l) {
    for (std::int64_t p = 0; p < l.pixels; ++p) {
        if (l.block == 0) {
            l.bytes[p] = to_byte(l.floats[p], l);
            continue;
        }
        for (int c = 0; c < byte_block; ++c) {
            l.bytes[p * byte_block + c] =
                c < l.channels ? to_byte(l.floats[place(l, p, c)], l) : static_cast<std::uint8_t>(l.zero_point);
        }
    }
}

void dequantize_reference(const QuantizeLeaf& l) {
    for (std::int64_t p = 0; p < l.pixels; ++p) {
        if (l.block == 0) {
            l.floats[p] = to_float(l.bytes[p], l);
            continue;
        }
        for (int c = 0; c < l.channels; ++c) {
            l.floats[place(l, p, c)] = to_float(l.bytes[p * byte_block + c], l);
        }
    }
}

} // namespace fk::scalar
