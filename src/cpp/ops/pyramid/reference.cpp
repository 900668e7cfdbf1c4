// The plain meaning of a halved picture. The order of the float32 operations is the contract: every row gives these bits.

#include "base/isa.hpp"
#include "ops/pyramid/leaf.hpp"

namespace fk::scalar {

void pyramid_reference(const HalveLeaf& a);

namespace {

// 1 4 6 4 1
template <class V> V binomial(V a, V b, V c, V d, V e) { return (a + e) + V(4) * (b + d) + V(6) * c; }

template <class T, class V> V column(const HalveLeaf& a, int x) {
    const int at = pyramid_reflect(x, a.width) - a.first;
    const auto pixel = [&](int r) { return static_cast<V>(static_cast<const T*>(a.rows[r])[at]); };
    return binomial(pixel(0), pixel(1), pixel(2), pixel(3), pixel(4));
}

std::uint8_t mean(int sum, std::uint8_t /*as*/) { return static_cast<std::uint8_t>((sum + 128) >> 8); }
float mean(float sum, float /*as*/) { return sum * (1.0F / 256); }

template <class T, class V> void plain(const HalveLeaf& a) {
    for (int x = a.x0; x < a.x1; ++x) {
        const V sum = binomial(column<T, V>(a, 2 * x - 2), column<T, V>(a, 2 * x - 1), column<T, V>(a, 2 * x),
                               column<T, V>(a, 2 * x + 1), column<T, V>(a, 2 * x + 2));
        static_cast<T*>(a.y)[x - a.x0] = mean(sum, T{});
    }
}

} // namespace

void pyramid_reference(const HalveLeaf& leaf) {
    if (leaf.is_float != 0) {
        plain<float, float>(leaf);
    } else {
        plain<std::uint8_t, int>(leaf);
    }
}

} // namespace fk::scalar
