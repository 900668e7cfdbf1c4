// Products of gradients for a band of rows and half a block around it, then their sums over blocks, columns first.
//
// Sobel's filter is separable: sums and differences over three rows, then over columns. Everything stays in the second-level
// cache: a band of 16 rows of 1280 pixels has 3 * 18 lines of 5 KB.
#pragma once

#include "ops/corners/leaf.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE vf pixels(const uint8_t* p) { return to_float(load_u8(p)); }
FK_INLINE vf pixels(const float* p) { return load(p); }

// Mirrors n values at line[0] ... into a margin of `margin` on both sides.
void mirror(float* line, int n, int margin) {
    for (int i = 1; i <= margin; ++i) {
        line[-i] = line[corners_reflect(-i, n)];
        line[n - 1 + i] = line[corners_reflect(n - 1 + i, n)];
    }
}

// a + 2 b + c and c - a of the rows around y.
template <class T> void column_sums(const CornersLeaf& a, int y, float* sums, float* differences) {
    const auto row = [&](int i) { return static_cast<const T*>(a.pixels) + corners_reflect(i, a.height) * a.row; };
    const T *above = row(y - 1), *here = row(y), *below = row(y + 1);
    int x = 0;
    for (; x + VL <= a.width; x += VL) {
        const vf top = pixels(above + x), bottom = pixels(below + x), middle = pixels(here + x);
        store(sums + x, (top + bottom) + (middle + middle));
        store(differences + x, bottom - top);
    }
    for (; x < a.width; ++x) {
        const auto top = static_cast<float>(above[x]), bottom = static_cast<float>(below[x]);
        sums[x] = (top + bottom) + 2 * static_cast<float>(here[x]);
        differences[x] = bottom - top;
    }
    mirror(sums, a.width, 1);
    mirror(differences, a.width, 1);
}

void products(const CornersLeaf& a, const float* sums, const float* differences, int margin, float* xx, float* xy, float* yy) {
    for (int x = 0; x < a.width; x += VL) {
        const vf gx = load(sums + x + 1) - load(sums + x - 1);
        const vf middle = load(differences + x);
        const vf gy = (load(differences + x - 1) + load(differences + x + 1)) + (middle + middle);
        store(xx + x, gx * gx);
        store(xy + x, gx * gy);
        store(yy + x, gy * gy);
    }
    mirror(xx, a.width, margin);
    mirror(xy, a.width, margin);
    mirror(yy, a.width, margin);
}

// Sum of `block` lines from `from` on, at places [-margin, width + margin).
void add_lines(const float* from, int64_t stride, int block, int margin, int width, float* to) {
    for (int x = -margin; x < width + margin; x += VL) {
        vf total = load(from + x);
        for (int k = 1; k < block; ++k) {
            total = total + load(from + k * stride + x);
        }
        store(to + x, total);
    }
}

FK_INLINE vf along(const float* line, int x, int before, int block) {
    vf total = load(line + x - before);
    for (int k = 1; k < block; ++k) {
        total = total + load(line + x - before + k);
    }
    return total;
}

void eigenvalues(const CornersLeaf& a, const float* xx, const float* xy, const float* yy, int before, float* y) {
    const vf half = splat(0.5F), scale = splat(1.0F / (64 * static_cast<float>(a.block * a.block)));
    for (int x = 0; x < a.width; x += VL) {
        const vf p = along(xx, x, before, a.block) * half, q = along(xy, x, before, a.block),
                 r = along(yy, x, before, a.block) * half;
        const vf value = ((p + r) - sqrt((p - r) * (p - r) + q * q)) * scale;
        if (x + VL <= a.width) {
            store(y + x, value);
        } else {
            store_n(y + x, value, a.width - x);
        }
    }
}

template <class T> void band(const CornersLeaf& a) {
    const int before = a.block / 2, lines = a.end - a.begin + a.block - 1;
    const int64_t stride = corners_stride(a.width);
    constexpr int margin = corners_largest_block / 2 + 1;
    float* sums = a.scratch + margin;
    float* differences = sums + stride;
    float* xx = differences + stride;
    float* xy = xx + stride * (corners_band + a.block - 1);
    float* yy = xy + stride * (corners_band + a.block - 1);
    float* total = yy + stride * (corners_band + a.block - 1);
    for (int i = 0; i < lines; ++i) {
        column_sums<T>(a, corners_reflect(a.begin - before + i, a.height), sums, differences);
        products(a, sums, differences, before, xx + i * stride, xy + i * stride, yy + i * stride);
    }
    for (int y = a.begin; y < a.end; ++y) {
        const int64_t first = (y - a.begin) * stride;
        add_lines(xx + first, stride, a.block, before, a.width, total);
        add_lines(xy + first, stride, a.block, before, a.width, total + stride);
        add_lines(yy + first, stride, a.block, before, a.width, total + 2 * stride);
        eigenvalues(a, total, total + stride, total + 2 * stride, before, a.y + int64_t{y - a.begin} * a.width);
    }
}

} // namespace

void corners_rows(const CornersLeaf& leaf);
void corners_rows(const CornersLeaf& leaf) {
    if (leaf.is_float != 0) {
        band<float>(leaf);
    } else {
        band<uint8_t>(leaf);
    }
}

} // namespace fk::FK_ISA
