// The plain meaning of lookup_int8.

#include "base/isa.hpp"
#include "ops/lookup_int8/leaf.hpp"

namespace fk::scalar {

void lookup_int8_reference(const LookupInt8Leaf& l);

void lookup_int8_reference(const LookupInt8Leaf& l) {
    for (int64_t i = 0; i < l.count; ++i) {
        l.y[i] = l.table[l.x[i]];
    }
}

} // namespace fk::scalar
