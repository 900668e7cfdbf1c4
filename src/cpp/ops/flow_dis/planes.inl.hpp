// Levels, means and the result, row by row.
#pragma once

#include <stddef.h>

#include "ops/flow_dis/leaf.hpp"
#include "simd/lanes.hpp"

namespace fk::FK_ISA {
namespace {

// VL pixels of a frame's row, of which `lanes` are there: nothing past the end of a frame is touched.
FK_INLINE vf frame_pixels(const uint8_t* p, int lanes) {
    if (lanes >= VL) {
        return to_float(load_u8(p));
    }
    uint8_t some[VL] = {};
    __builtin_memcpy(some, p, static_cast<size_t>(lanes));
    return to_float(load_u8(some));
}
FK_INLINE vf frame_pixels(const float* p, int lanes) { return lanes >= VL ? load(p) : load_n(p, lanes); }

FK_INLINE void fill_borders(float* row, int width) {
    for (int i = 0; i < dis_border; ++i) {
        row[-1 - i] = row[0];
        row[width + i] = row[width - 1];
    }
}

template <class T> void convert(const DisConvert& a) {
    const T* x = static_cast<const T*>(a.x);
    for (int i = 0; i < a.width; i += VL) {
        store(a.y + i, frame_pixels(x + i, a.width - i) * splat(a.scale));
    }
    fill_borders(a.y, a.width);
}

void convert_row(const DisConvert& a) {
    if (a.is_float != 0) {
        convert<float>(a);
    } else {
        convert<uint8_t>(a);
    }
}

// Columns first, put into even and odd ones; a result then needs three even and two odd neighbours of its own.
template <class T> void halve(const DisHalve& a) {
    const int outputs = (a.width + 1) / 2;
    float* even = a.line + dis_border;
    float* odd = even + outputs + 2 * dis_border;
    const auto columns = [&](int x) {
        const int lanes = a.width - x;
        if (lanes <= 0) {
            return zero();
        }
        const auto row = [&](int r) { return frame_pixels(static_cast<const T*>(a.rows[r]) + x, lanes); };
        return fma(splat(6.0F), row(2), fma(splat(4.0F), row(1) + row(3), row(0) + row(4)));
    };
    for (int x = 0; x < a.width; x += 2 * VL) {
        const vf first = columns(x), second = columns(x + VL);
        store(even + x / 2, evens(first, second));
        store(odd + x / 2, odds(first, second));
    }
    const auto column = [&](int x) -> float& { return (x & 1) != 0 ? odd[(x - 1) / 2] : even[x / 2]; };
    even[-1] = column(dis_reflect(-2, a.width));
    odd[-1] = column(dis_reflect(-1, a.width));
    const float after = column(dis_reflect(a.width, a.width)), last = column(dis_reflect(a.width + 1, a.width));
    column(a.width) = after;
    column(a.width + 1) = last;
    const vf scale = splat(a.scale / 256);
    for (int i = 0; i < outputs; i += VL) {
        const vf outer = load(even + i - 1) + load(even + i + 1), inner = load(odd + i - 1) + load(odd + i);
        store(a.y + i, scale * fma(splat(6.0F), load(even + i), fma(splat(4.0F), inner, outer)));
    }
    fill_borders(a.y, outputs);
}

void halve_row(const DisHalve& a) {
    if (a.is_float != 0) {
        halve<float>(a);
    } else {
        halve<uint8_t>(a);
    }
}

void divide_row(const DisDivide& a) {
    for (int x = 0; x < a.width; x += VL) {
        // Behind the end of a row stand zeros: what is read there later must be finite. Weights are at least 1 / 131,072.
        const vf share = reciprocal(max(load(a.weights + x), splat(1e-6F)));
        store(a.u + x, load(a.u + x) * share);
        store(a.v + x, load(a.v + x) * share);
    }
    a.u[a.width] = a.u[a.width - 1];
    a.v[a.width] = a.v[a.width - 1];
}

// A line of twice the length: its values, and their means. `count` results, and one more that is a copy of the last.
void twice(const float* x, int count, float* y) {
    for (int i = 0; i < count; i += 2 * VL) {
        const vf here = load(x + i / 2), between = splat(0.5F) * (here + load(x + i / 2 + 1));
        store(y + i, join_low(here, between));
        store(y + i + VL, join_high(here, between));
    }
    y[count] = y[count - 1];
}

const float* expanded(const DisExpand& a, const float* upper, const float* lower, float* line, float* other) {
    const vf scale = splat(static_cast<float>(1 << a.halvings)), part = splat(a.part);
    for (int x = 0; x < a.coarse_width; x += VL) {
        const vf top = load(upper + x);
        store(line + x, scale * fma(part, load(lower + x) - top, top));
    }
    line[a.coarse_width] = line[a.coarse_width - 1];
    for (int h = a.halvings; h > 0; --h) {
        const int rest = 1 << (h - 1);
        twice(line, (a.width + rest - 1) / rest, other);
        float* swap = line;
        line = other;
        other = swap;
    }
    return line;
}

void expand_row(const DisExpand& a) {
    const int64_t length = a.width + dis_right;
    const float* u = a.upper_u;
    const float* v = a.upper_v;
    if (a.halvings > 0) {
        u = expanded(a, a.upper_u, a.lower_u, a.lines, a.lines + length);
        v = expanded(a, a.upper_v, a.lower_v, a.lines + 2 * length, a.lines + 3 * length);
    }
    int x = 0;
    for (; x + VL <= a.width; x += VL) {
        const vf to_u = load(u + x), to_v = load(v + x);
        store(a.y + 2 * x, join_low(to_u, to_v));
        store(a.y + 2 * x + VL, join_high(to_u, to_v));
    }
    for (; x < a.width; ++x) {
        a.y[2 * x] = u[x];
        a.y[2 * x + 1] = v[x];
    }
}

} // namespace
} // namespace fk::FK_ISA
