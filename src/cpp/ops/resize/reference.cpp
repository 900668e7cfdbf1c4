// The plain meaning of resize. The order of the float32 operations here is the contract: every row gives these bits.

#include "base/isa.hpp"
#include "ops/resize/leaf.hpp"

namespace fk::scalar {

void resize_reference(const ResizeLeaf& a);

namespace {

float weight(int k, int count, float head, float tail) { return k == 0 ? head : k == count - 1 ? tail : 1.0F; }

void put(float v, float* y) { *y = v; }
void put(float v, uint8_t* y) {
    const auto rounded = static_cast<int>(v + 0.5F);
    *y = static_cast<uint8_t>(rounded > 255 ? 255 : rounded);
}

template <class T> void plain(const ResizeLeaf& a) {
    const T* x = static_cast<const T*>(a.x);
    for (int e = 0; e < a.span; ++e) {
        const T* column = x + e / a.channels * a.x_pixel + e % a.channels * a.x_channel;
        float sum = static_cast<float>(column[0]) * a.row_head;
        for (int k = 1; k < a.rows; ++k) {
            sum += static_cast<float>(column[k * a.x_row]) * weight(k, a.rows, a.row_head, a.row_tail);
        }
        a.sums[e] = sum;
    }
    T* y = static_cast<T*>(a.y);
    for (int o = 0; o < a.outputs; ++o) {
        const float* taps = a.sums + (a.tap[o] - a.tap_origin);
        const int count = a.taps[o];
        float total = 0;
        for (int k0 = 0; k0 < count; k0 += resize_partial) {
            float part = taps[k0 * a.channels] * weight(k0, count, a.head[o], a.tail[o]);
            for (int k = k0 + 1; k < count && k < k0 + resize_partial; ++k) {
                part += taps[k * a.channels] * weight(k, count, a.head[o], a.tail[o]);
            }
            total = k0 == 0 ? part : total + part;
        }
        put(total / a.divisor, y + o);
    }
}

} // namespace

void resize_reference(const ResizeLeaf& leaf) {
    if (leaf.is_float != 0) {
        plain<float>(leaf);
    } else {
        plain<uint8_t>(leaf);
    }
}

} // namespace fk::scalar
