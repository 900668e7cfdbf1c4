// Bilinear samples of VL pixels at a time: places and the blend are vectors, the four neighbours of each lane are fetched one
// by one, as in ops/warp. Products and sums are rounded in the order of reference.cpp: the same bits on every instruction set.
#pragma once

#include "ops/flow_warp/leaf.hpp"
#include "simd/lanes.hpp"

namespace fk::FK_ISA {
namespace {

struct Places {
    int32_t column[VL], row[VL];
    vf right, down;
    vm known;
};

FK_INLINE vm both(vm a, vm b, vf yes) { return gt(select(a, select(b, yes, zero()), zero()), zero()); }

FK_INLINE Places places(const FlowWarpLeaf& a, int x) {
    float pairs[2 * VL] = {};
    const int lanes = a.width - x < VL ? a.width - x : VL;
    __builtin_memcpy(pairs, a.flow + 2 * int64_t{x}, sizeof(float) * 2 * static_cast<unsigned>(lanes));
    const vf u = evens(load(pairs), load(pairs + VL)), v = odds(load(pairs), load(pairs + VL));
    Places p;
    p.known = both(le(abs(u), splat(flow_unknown)), le(abs(v), splat(flow_unknown)), splat(1.0F));
    const auto split = [&](vf start, vf motion, int n, int32_t* whole) {
        const vf at = start + select(p.known, motion, zero());
        const vf inside = min(max(at, splat(-2.0F)), splat(static_cast<float>(n + 1))) + splat(2.0F);
        const vi floor = to_int(inside);
        store_i(whole, floor - splat_i(2));
        return inside - to_float(floor);
    };
    p.right = split(splat(static_cast<float>(x)) + lane_index(), u, a.width, p.column);
    p.down = split(splat(static_cast<float>(a.row)), v, a.height, p.row);
    return p;
}

FK_INLINE int clamped(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

template <class T> float border_pixel(const FlowWarpLeaf& a, const T* x, int row, int column) {
    const bool inside = row >= 0 && row < a.height && column >= 0 && column < a.width;
    if (!inside && a.replicate == 0) {
        return a.fill;
    }
    return static_cast<float>(x[clamped(row, a.height) * a.x_row + clamped(column, a.width) * a.x_pixel]);
}

// A neighbour of weight 0 does not matter, even where it is infinite or no number.
FK_INLINE vf blend(vf near, vf far, vf part) { return select(gt(part, zero()), near * (splat(1.0F) - part) + far * part, near); }

template <class T> FK_INLINE vf sample(const FlowWarpLeaf& a, const T* x, const Places& p, int lanes) {
    float n[4][VL] = {};
    const auto last_column = static_cast<uint32_t>(a.width - 1), last_row = static_cast<uint32_t>(a.height - 1);
    for (int l = 0; l < lanes; ++l) {
        const int column = p.column[l], row = p.row[l];
        if (static_cast<uint32_t>(column) < last_column && static_cast<uint32_t>(row) < last_row) {
            const T* top = x + row * a.x_row + column * a.x_pixel;
            const T* bottom = top + a.x_row;
            n[0][l] = static_cast<float>(top[0]);
            n[1][l] = static_cast<float>(top[a.x_pixel]);
            n[2][l] = static_cast<float>(bottom[0]);
            n[3][l] = static_cast<float>(bottom[a.x_pixel]);
        } else {
            n[0][l] = border_pixel(a, x, row, column);
            n[1][l] = border_pixel(a, x, row, column + 1);
            n[2][l] = border_pixel(a, x, row + 1, column);
            n[3][l] = border_pixel(a, x, row + 1, column + 1);
        }
    }
    const vf above = blend(load(n[0]), load(n[1]), p.right), below = blend(load(n[2]), load(n[3]), p.right);
    return select(p.known, blend(above, below, p.down), splat(a.fill));
}

FK_INLINE void put(float v, float* y) { *y = v; }
FK_INLINE void put(float v, uint8_t* y) { *y = static_cast<uint8_t>(static_cast<int>(v + 0.5F)); }

template <class T> void warp(const FlowWarpLeaf& a) {
    for (int x = 0; x < a.width; x += VL) {
        const int lanes = a.width - x < VL ? a.width - x : VL;
        const Places p = places(a, x);
        for (int c = 0; c < a.channels; ++c) {
            float values[VL];
            store(values, sample(a, static_cast<const T*>(a.x) + c * a.x_channel, p, lanes));
            T* y = static_cast<T*>(a.y) + int64_t{x} * a.channels + c;
            for (int l = 0; l < lanes; ++l) {
                put(values[l], y + l * a.channels);
            }
        }
    }
}

} // namespace

void flow_warp_rows(const FlowWarpLeaf& leaf);
void flow_warp_rows(const FlowWarpLeaf& leaf) {
    if (leaf.is_float != 0) {
        warp<float>(leaf);
    } else {
        warp<uint8_t>(leaf);
    }
}

} // namespace fk::FK_ISA
