// Pieces that begin at a whole block: one copy.

#include <cstring>

#include "base/tensor.hpp"
#include "ops/concat_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void concat_int8_planes(const ConcatInt8Leaf& l);

void concat_int8_planes(const ConcatInt8Leaf& l) {
    std::memcpy(l.y + l.first * l.pixels, l.x, static_cast<std::size_t>(round_up(l.channels, byte_block) * l.pixels));
}

} // namespace fk::scalar
