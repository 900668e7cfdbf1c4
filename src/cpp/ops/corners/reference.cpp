// The plain meaning of the smaller eigenvalue.

#include <cmath>

#include "base/isa.hpp"
#include "ops/corners/leaf.hpp"

namespace fk::scalar {

void corners_reference(const CornersLeaf& a);

namespace {

template <class T> float pixel(const CornersLeaf& a, int x, int y) {
    return static_cast<float>(
        static_cast<const T*>(a.pixels)[corners_reflect(y, a.height) * a.row + corners_reflect(x, a.width)]);
}

template <class T> void plain(const CornersLeaf& a) {
    const int before = a.block / 2;
    const float scale = 1.0F / (64 * static_cast<float>(a.block * a.block));
    for (int y = a.begin; y < a.end; ++y) {
        for (int x = 0; x < a.width; ++x) {
            float xx = 0, xy = 0, yy = 0;
            for (int k = 0; k < a.block * a.block; ++k) {
                const int u = corners_reflect(x - before + k % a.block, a.width);
                const int v = corners_reflect(y - before + k / a.block, a.height);
                const auto across = [&](int j) { return pixel<T>(a, u + 1, j) - pixel<T>(a, u - 1, j); };
                const auto down = [&](int i) { return pixel<T>(a, i, v + 1) - pixel<T>(a, i, v - 1); };
                const float gx = across(v - 1) + 2 * across(v) + across(v + 1);
                const float gy = down(u - 1) + 2 * down(u) + down(u + 1);
                xx += gx * gx;
                xy += gx * gy;
                yy += gy * gy;
            }
            const float difference = (xx - yy) / 2;
            a.y[std::int64_t(y - a.begin) * a.width + x] = ((xx + yy) / 2 - std::sqrt(difference * difference + xy * xy)) * scale;
        }
    }
}

} // namespace

void corners_reference(const CornersLeaf& leaf) {
    if (leaf.is_float != 0) {
        plain<float>(leaf);
    } else {
        plain<std::uint8_t>(leaf);
    }
}

} // namespace fk::scalar
