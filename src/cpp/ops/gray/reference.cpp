// The plain meaning of the conversion.

#include "base/isa.hpp"
#include "ops/gray/leaf.hpp"

namespace fk::scalar {

void gray_reference(const GrayLeaf& a);

void gray_reference(const GrayLeaf& a) {
    const uint8_t* x = a.x;
    for (int64_t i = 0; i < a.pixels; ++i, x += a.channels) {
        a.y[i] = static_cast<uint8_t>((gray_red * x[0] + gray_green * x[1] + gray_blue * x[2] + gray_half) >> gray_bits);
    }
}

} // namespace fk::scalar
