// Bilinear samples of VL outputs at a time.
//
// Coordinates and the blend are vectors. The four neighbours of each lane are fetched one by one: pixels are bytes, for
// which there is no gather, and a gather of 32 bits costs about as much as the loads that it stands for.
// Products and sums are rounded one by one, in the order of reference.cpp: the same bits on every instruction set.
#pragma once

#include "ops/warp/leaf.hpp"

namespace fk::FK_ISA {
namespace {

struct Counting {
    float of[warp_outputs] = {};
    constexpr Counting() {
        for (int i = 0; i < warp_outputs; ++i) {
            of[i] = static_cast<float>(i);
        }
    }
};
constexpr Counting counting;

struct Neighbours {
    float top_left[VL], top_right[VL], bottom_left[VL], bottom_right[VL];
};

FK_INLINE int clamped(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

template <class T> float border_pixel(const WarpLeaf& a, int row, int column) {
    const bool inside = row >= 0 && row < a.height && column >= 0 && column < a.width;
    if (!inside && a.replicate == 0) {
        return a.fill;
    }
    const int64_t at = clamped(row, a.height) * a.x_row + clamped(column, a.width) * a.x_pixel;
    return static_cast<float>(static_cast<const T*>(a.x)[at]);
}

template <class T> void fetch(const WarpLeaf& a, const int32_t* column, const int32_t* row, int lanes, Neighbours& to) {
    const auto last_column = static_cast<uint32_t>(a.width - 1);
    const auto last_row = static_cast<uint32_t>(a.height - 1);
    for (int l = 0; l < lanes; ++l) {
        if (static_cast<uint32_t>(column[l]) < last_column && static_cast<uint32_t>(row[l]) < last_row) {
            const T* top = static_cast<const T*>(a.x) + row[l] * a.x_row + column[l] * a.x_pixel;
            const T* bottom = top + a.x_row;
            to.top_left[l] = static_cast<float>(top[0]);
            to.top_right[l] = static_cast<float>(top[a.x_pixel]);
            to.bottom_left[l] = static_cast<float>(bottom[0]);
            to.bottom_right[l] = static_cast<float>(bottom[a.x_pixel]);
        } else {
            to.top_left[l] = border_pixel<T>(a, row[l], column[l]);
            to.top_right[l] = border_pixel<T>(a, row[l], column[l] + 1);
            to.bottom_left[l] = border_pixel<T>(a, row[l] + 1, column[l]);
            to.bottom_right[l] = border_pixel<T>(a, row[l] + 1, column[l] + 1);
        }
    }
}

// A neighbour of weight 0 does not matter, even where it is infinite or no number.
FK_INLINE vf blend(vf near, vf far, vf part) { return select(gt(part, zero()), near * (splat(1.0F) - part) + far * part, near); }

FK_INLINE vi floor_int(vf v) {
    const vi truncated = to_int(v);
    return truncated - select_i(gt(to_float(truncated), v), splat_i(1), splat_i(0));
}

template <class T> vf sample(const WarpLeaf& a, const WarpOrigin& origin, int first, int lanes) {
    const vf steps = load(counting.of + first);
    const vf x = splat(origin.x) + steps * splat(a.step_x);
    const vf y = splat(origin.y) + steps * splat(a.step_y);
    const vi whole_x = floor_int(x);
    const vi whole_y = floor_int(y);
    const vf part_x = x - to_float(whole_x);
    const vf part_y = y - to_float(whole_y);
    int32_t column[VL];
    int32_t row[VL];
    store_i(column, whole_x + splat_i(origin.column));
    store_i(row, whole_y + splat_i(origin.row));
    Neighbours n = {};
    fetch<T>(a, column, row, lanes, n);
    const vf top = blend(load(n.top_left), load(n.top_right), part_x);
    const vf bottom = blend(load(n.bottom_left), load(n.bottom_right), part_x);
    return blend(top, bottom, part_y);
}

FK_INLINE void put(float v, float* y) { *y = v; }
FK_INLINE void put(float v, uint8_t* y) {
    const int rounded = static_cast<int>(v + 0.5F);
    *y = static_cast<uint8_t>(rounded > 255 ? 255 : rounded);
}

template <class T> void warp(const WarpLeaf& a) {
    T* y = static_cast<T*>(a.y);
    const vf samples = splat(static_cast<float>(a.samples));
    for (int i = 0; i < a.outputs; i += VL) {
        const int lanes = a.outputs - i < VL ? a.outputs - i : VL;
        vf sum = sample<T>(a, a.origins[0], i, lanes);
        for (int s = 1; s < a.samples; ++s) {
            sum = sum + sample<T>(a, a.origins[s], i, lanes);
        }
        float values[VL];
        store(values, sum / samples);
        for (int l = 0; l < lanes; ++l) {
            put(values[l], y + (i + l) * a.y_step);
        }
    }
}

} // namespace

void warp_sample(const WarpLeaf& leaf);
void warp_sample(const WarpLeaf& leaf) {
    if (leaf.is_float != 0) {
        warp<float>(leaf);
    } else {
        warp<uint8_t>(leaf);
    }
}

} // namespace fk::FK_ISA
