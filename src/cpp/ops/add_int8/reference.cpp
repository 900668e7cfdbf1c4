// The plain meaning of add_int8.

#include "base/isa.hpp"
#include "ops/add_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::scalar {

void add_int8_reference(const AddInt8Leaf& l);

void add_int8_reference(const AddInt8Leaf& l) {
    for (std::int64_t i = 0; i < l.count; ++i) {
        const float a = static_cast<float>(l.a[i]) * l.a_factor;
        const float b = static_cast<float>(l.b[i]) * l.b_factor;
        l.y[i] = to_byte((a + l.offset) + b, l.low, l.high);
    }
}

} // namespace fk::scalar
