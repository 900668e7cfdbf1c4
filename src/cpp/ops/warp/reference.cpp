// The plain meaning of warp. The order of the float32 operations here is the contract: every row gives these bits.

#include "base/isa.hpp"
#include "ops/warp/leaf.hpp"

namespace fk::scalar {

void warp_reference(const WarpLeaf& a);

namespace {

// Floor of v, and what v lies above it.
struct Split {
    int whole;
    float part;
};
Split split(float v) {
    int whole = static_cast<int>(v);
    whole -= static_cast<float>(whole) > v ? 1 : 0;
    return {whole, v - static_cast<float>(whole)};
}

int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

template <class T> float pixel(const WarpLeaf& a, int row, int column) {
    const bool inside = row >= 0 && row < a.height && column >= 0 && column < a.width;
    if (!inside && a.replicate == 0) {
        return a.fill;
    }
    const int64_t at = clamp(row, a.height) * a.x_row + clamp(column, a.width) * a.x_pixel;
    return static_cast<float>(static_cast<const T*>(a.x)[at]);
}

// A neighbour of weight 0 does not matter, even where it is infinite or no number.
float blend(float near, float far, float part) { return part > 0 ? near * (1 - part) + far * part : near; }

template <class T> float sample(const WarpLeaf& a, const WarpOrigin& origin, int output) {
    const Split h = split(origin.x + static_cast<float>(output) * a.step_x);
    const Split v = split(origin.y + static_cast<float>(output) * a.step_y);
    const int left = origin.column + h.whole;
    const int top = origin.row + v.whole;
    const float above = blend(pixel<T>(a, top, left), pixel<T>(a, top, left + 1), h.part);
    const float below = blend(pixel<T>(a, top + 1, left), pixel<T>(a, top + 1, left + 1), h.part);
    return blend(above, below, v.part);
}

void put(float v, float* y) { *y = v; }
void put(float v, uint8_t* y) {
    const auto rounded = static_cast<int>(v + 0.5F);
    *y = static_cast<uint8_t>(rounded > 255 ? 255 : rounded);
}

template <class T> void plain(const WarpLeaf& a) {
    for (int i = 0; i < a.outputs; ++i) {
        float sum = sample<T>(a, a.origins[0], i);
        for (int s = 1; s < a.samples; ++s) {
            sum += sample<T>(a, a.origins[s], i);
        }
        put(sum / static_cast<float>(a.samples), static_cast<T*>(a.y) + i * a.y_step);
    }
}

} // namespace

void warp_reference(const WarpLeaf& leaf) {
    if (leaf.is_float != 0) {
        plain<float>(leaf);
    } else {
        plain<uint8_t>(leaf);
    }
}

} // namespace fk::scalar
