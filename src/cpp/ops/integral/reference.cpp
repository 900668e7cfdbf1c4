// The plain meaning of the upright sums.

#include "ops/integral/leaf.hpp"

namespace fk::scalar {

void integral_reference(const IntegralLeaf& a);

void integral_reference(const IntegralLeaf& a) {
    const int64_t row = a.width + 1;
    for (int64_t y = 0; y < a.height; ++y) {
        const uint8_t* p = a.pixels + y * a.stride_bytes;
        int32_t sum = 0;
        int64_t square = 0;
        for (int64_t x = 0; x < a.width; ++x) {
            sum += p[x];
            square += static_cast<int64_t>(p[x]) * p[x];
            a.sum[(y + 1) * row + x + 1] = a.sum[y * row + x + 1] + sum;
            if (a.square != nullptr) {
                a.square[(y + 1) * row + x + 1] = a.square[y * row + x + 1] + square;
            }
        }
    }
}

} // namespace fk::scalar
