// The meaning of a level in plain loops: one tree, one split, one number at a time.

#include "base/isa.hpp"
#include "ops/trees/leaf.hpp"

namespace fk::scalar {

void trees_reference(const TreesLeaf& a);

void trees_reference(const TreesLeaf& a) {
    const int32_t splits = (1 << a.depth) - 1;
    for (int32_t i = 0; a.codes != nullptr && i < a.width; ++i) {
        a.sums[i] = 0;
    }
    for (int32_t t = 0; t < a.trees; ++t) {
        int32_t at = 0;
        while (at < splits) {
            const int32_t split = t * splits + at;
            const auto pair = static_cast<uint32_t>(a.pairs[split]);
            const bool left = a.pixels[pair & 0xFFFF] - a.pixels[pair >> 16] > a.thresholds[split];
            at = 2 * at + (left ? 1 : 2);
        }
        const int64_t row = int64_t(t) * (splits + 1) + at - splits;
        for (int32_t i = 0; i < a.width; ++i) {
            if (a.codes != nullptr) {
                a.sums[i] += a.codes[row * a.width + i];
            } else {
                a.total[i] += a.leaves[row * a.width + i];
            }
        }
    }
}

} // namespace fk::scalar
