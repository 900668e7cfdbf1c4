// Resize in two sums: down the columns into a row of float32, then along that row.
//
// The column sum reads every source pixel once, VL neighbours at a time, four source rows for each pass over the sums:
// 4 loads of pixels for one load and one store of a sum, which stay in the first-level cache. The row sum is then
// 1 / (vertical scale) of the work. Products and sums are rounded one by one (no fused multiply-add), in the order
// of reference.cpp, so that every instruction set gives the same bits.
#pragma once

#include "ops/resize/leaf.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE vf load_pixels(const float* p) { return load(p); }
FK_INLINE vf load_pixels(const uint8_t* p) { return to_float(load_u8(p)); }

// sums (+)= weights[0] x[row 0] + ...; BEGIN: the first rows of an output, the sums hold nothing yet.
template <class T, int ROWS, bool BEGIN> void add_rows(const T* x, const float* weights, const ResizeLeaf& a) {
    int e = 0;
    for (; e + VL <= a.span; e += VL) {
        vf sum = BEGIN ? load_pixels(x + e) * splat(weights[0]) : load(a.sums + e);
        FK_UNROLL
        for (int k = BEGIN ? 1 : 0; k < ROWS; ++k) {
            sum = sum + load_pixels(x + k * a.x_row + e) * splat(weights[k]);
        }
        store(a.sums + e, sum);
    }
    for (; e < a.span; ++e) {
        float sum = BEGIN ? static_cast<float>(x[e]) * weights[0] : a.sums[e];
        for (int k = BEGIN ? 1 : 0; k < ROWS; ++k) {
            sum += static_cast<float>(x[k * a.x_row + e]) * weights[k];
        }
        a.sums[e] = sum;
    }
}

// One source row whose elements do not stand side by side.
template <class T> void add_spread_row(const T* x, float weight, bool begin, const ResizeLeaf& a) {
    int e = 0;
    for (const T* pixel = x; e < a.span; pixel += a.x_pixel) {
        for (int c = 0; c < a.channels; ++c, ++e) {
            const float product = static_cast<float>(pixel[c * a.x_channel]) * weight;
            a.sums[e] = begin ? product : a.sums[e] + product;
        }
    }
}

template <class T, bool BEGIN> void add_up_to_four(const T* x, int rows, const float* weights, const ResizeLeaf& a) {
    switch (rows) {
    case 1:
        return add_rows<T, 1, BEGIN>(x, weights, a);
    case 2:
        return add_rows<T, 2, BEGIN>(x, weights, a);
    case 3:
        return add_rows<T, 3, BEGIN>(x, weights, a);
    default:
        return add_rows<T, 4, BEGIN>(x, weights, a);
    }
}

template <class T> void sum_columns(const ResizeLeaf& a) {
    const T* x = static_cast<const T*>(a.x);
    const bool dense = a.x_pixel == a.channels && (a.channels == 1 || a.x_channel == 1);
    const int step = dense ? 4 : 1;
    for (int k0 = 0; k0 < a.rows; k0 += step, x += step * a.x_row) {
        const int rows = a.rows - k0 < step ? a.rows - k0 : step;
        float weights[4];
        for (int k = 0; k < rows; ++k) {
            weights[k] = k0 + k == 0 ? a.row_head : k0 + k == a.rows - 1 ? a.row_tail : 1.0F;
        }
        if (!dense) {
            add_spread_row(x, weights[0], k0 == 0, a);
        } else if (k0 == 0) {
            add_up_to_four<T, true>(x, rows, weights, a);
        } else {
            add_up_to_four<T, false>(x, rows, weights, a);
        }
    }
}

FK_INLINE void put_vector(float* y, vf v) { store(y, v); }
FK_INLINE void put_vector(uint8_t* y, vf v) { store_u8(y, to_int(v + splat(0.5F))); }
FK_INLINE void put_one(float* y, float v) { *y = v; }
FK_INLINE void put_one(uint8_t* y, float v) {
    const int rounded = static_cast<int>(v + 0.5F);
    *y = static_cast<uint8_t>(rounded > 255 ? 255 : rounded);
}

// VL outputs of few taps each, their taps gathered. Lanes that have run out of taps keep their sum.
FK_INLINE vf gather_sums(const ResizeLeaf& a, int o) {
    const vi first = load_i(a.tap + o) - splat_i(a.tap_origin);
    const vi count = load_i(a.taps + o);
    const vi last = count - splat_i(1);
    const vf tail = load(a.tail + o);
    vf sum = gather(a.sums, first) * load(a.head + o);
    for (int k = 1; k < a.most_taps; ++k) {
        const vm present = gt_i(count, splat_i(k));
        const vf weight = select(lt_i(splat_i(k), last), splat(1.0F), tail);
        const vf tap = gather(a.sums, select_i(present, first + splat_i(k * a.channels), first));
        sum = select(present, sum + tap * weight, sum);
    }
    return sum;
}

FK_INLINE float sum_taps(const float* tap, int count, int step, float head, float tail) {
    float total = tap[0] * head;
    for (int k0 = 0; k0 < count; k0 += resize_partial) {
        const int end = count - k0 < resize_partial ? count : k0 + resize_partial;
        float part = k0 == 0 ? total : tap[k0 * step] * (k0 == count - 1 ? tail : 1.0F);
        for (int k = k0 + 1; k < end; ++k) {
            part += tap[k * step] * (k == count - 1 ? tail : 1.0F);
        }
        total = k0 == 0 ? part : total + part;
    }
    return total;
}

template <class T> void sum_rows(const ResizeLeaf& a) {
    T* y = static_cast<T*>(a.y);
    int o = 0;
    if (a.most_taps <= 4) {
        for (; o + VL <= a.outputs; o += VL) {
            put_vector(y + o, gather_sums(a, o) / splat(a.divisor));
        }
    }
    for (; o < a.outputs; ++o) {
        const float* tap = a.sums + (a.tap[o] - a.tap_origin);
        put_one(y + o, sum_taps(tap, a.taps[o], a.channels, a.head[o], a.tail[o]) / a.divisor);
    }
}

template <class T> void resize(const ResizeLeaf& leaf) {
    sum_columns<T>(leaf);
    sum_rows<T>(leaf);
}

} // namespace

void resize_separable(const ResizeLeaf& leaf);
void resize_separable(const ResizeLeaf& leaf) {
    if (leaf.is_float != 0) {
        resize<float>(leaf);
    } else {
        resize<uint8_t>(leaf);
    }
}

} // namespace fk::FK_ISA
