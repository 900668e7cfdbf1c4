// The plain meaning of flow_warp. The order of the float32 operations here is the contract: every row gives these bits.

#include "base/isa.hpp"
#include "ops/flow_warp/leaf.hpp"

namespace fk::scalar {

void flow_warp_reference(const FlowWarpLeaf& a);

namespace {

bool known(float v) { return v >= -flow_unknown && v <= flow_unknown; }
float within(float v, float low, float high) { return v < low ? low : v > high ? high : v; }
int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

// Two pixels outside the picture are as good as any further.
struct Place {
    int whole;
    float part;
};
Place place(int at, float motion, int n) {
    const float v = within(static_cast<float>(at) + motion, -2, static_cast<float>(n + 1)) + 2;
    const int whole = static_cast<int>(v);
    return {whole - 2, v - static_cast<float>(whole)};
}

template <class T> float pixel(const FlowWarpLeaf& a, int row, int column, int channel) {
    const bool inside = row >= 0 && row < a.height && column >= 0 && column < a.width;
    if (!inside && a.replicate == 0) {
        return a.fill;
    }
    const int64_t at = clamp(row, a.height) * a.x_row + clamp(column, a.width) * a.x_pixel + channel * a.x_channel;
    return static_cast<float>(static_cast<const T*>(a.x)[at]);
}

// A neighbour of weight 0 does not matter, even where it is infinite or no number.
float blend(float near, float far, float part) { return part > 0 ? near * (1 - part) + far * part : near; }

void put(float v, float* y) { *y = v; }
void put(float v, uint8_t* y) { *y = static_cast<uint8_t>(static_cast<int>(v + 0.5F)); }

template <class T> void plain(const FlowWarpLeaf& a) {
    for (int x = 0; x < a.width; ++x) {
        const float u = a.flow[2 * x], v = a.flow[2 * x + 1];
        for (int c = 0; c < a.channels; ++c) {
            float result = a.fill;
            if (known(u) && known(v)) {
                const Place h = place(x, u, a.width), d = place(a.row, v, a.height);
                const float above = blend(pixel<T>(a, d.whole, h.whole, c), pixel<T>(a, d.whole, h.whole + 1, c), h.part);
                const float below = blend(pixel<T>(a, d.whole + 1, h.whole, c), pixel<T>(a, d.whole + 1, h.whole + 1, c), h.part);
                result = blend(above, below, d.part);
            }
            put(result, static_cast<T*>(a.y) + int64_t{x} * a.channels + c);
        }
    }
}

} // namespace

void flow_warp_reference(const FlowWarpLeaf& leaf) {
    if (leaf.is_float != 0) {
        plain<float>(leaf);
    } else {
        plain<uint8_t>(leaf);
    }
}

} // namespace fk::scalar
