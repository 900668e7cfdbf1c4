// The plain meaning of concat_int8.

#include "base/isa.hpp"
#include "ops/concat_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void concat_int8_reference(const ConcatInt8Leaf& l);

void concat_int8_reference(const ConcatInt8Leaf& l) {
    const auto at = [&](std::int64_t c, std::int64_t p) { return (c / byte_block * l.pixels + p) * byte_block + c % byte_block; };
    for (std::int64_t c = 0; c < l.channels; ++c) {
        for (std::int64_t p = 0; p < l.pixels; ++p) {
            l.y[at(l.first + c, p)] = l.x[at(c, p)];
        }
    }
}

} // namespace fk::scalar
