// The filter is separable: columns of five rows first (a line of uint16, at most 16 * 255), then every second place of the line.
//
// The first step works on twice VL lanes of 16 bits. The second reads the line as 32-bit words, each a pair of columns: the
// even column is its low half, the odd its high half, so no shuffle is needed to take every second one. Three words hold
// the five columns of an output, and pairs are added before they are taken apart: 2 * 4080 does not carry.
#pragma once

#include "ops/pyramid/leaf.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int word_lanes = 2 * VL;
using byte_lanes = uint8_t __attribute__((vector_size(word_lanes)));
using word_vector = uint16_t __attribute__((vector_size(2 * word_lanes)));

FK_INLINE word_vector widen(const void* row, int at) {
    byte_lanes bytes;
    __builtin_memcpy(&bytes, static_cast<const uint8_t*>(row) + at, sizeof bytes);
    return __builtin_convertvector(bytes, word_vector);
}

FK_INLINE void column_words(const HalveLeaf& a, int at, uint16_t* to) {
    const word_vector sum = (widen(a.rows[0], at) + widen(a.rows[4], at)) + ((widen(a.rows[1], at) + widen(a.rows[3], at)) << 2) +
                            widen(a.rows[2], at) * 6;
    __builtin_memcpy(to + at, &sum, sizeof sum);
}

// Column sums of the columns at hand, to[i] for column first + i.
void columns(const HalveLeaf& a, uint16_t* to) {
    const int n = a.last - a.first;
    if (n >= word_lanes) {
        for (int i = 0; i < n - word_lanes; i += word_lanes) {
            column_words(a, i, to);
        }
        column_words(a, n - word_lanes, to);
        return;
    }
    const auto pixel = [&](int r, int i) { return static_cast<int>(static_cast<const uint8_t*>(a.rows[r])[i]); };
    for (int i = 0; i < n; ++i) {
        to[i] = static_cast<uint16_t>(pixel(0, i) + pixel(4, i) + 4 * (pixel(1, i) + pixel(3, i)) + 6 * pixel(2, i));
    }
}

void columns(const HalveLeaf& a, float* to) {
    const int n = a.last - a.first;
    for (int i = 0; i < n; i += VL) {
        const int lanes = n - i < VL ? n - i : VL;
        const auto row = [&](int r) { return load_n(static_cast<const float*>(a.rows[r]) + i, lanes); };
        const vf outer = row(0) + row(4);
        const vf inner = splat(4.0F) * (row(1) + row(3));
        store_n(to + i, outer + inner + splat(6.0F) * row(2), lanes);
    }
}

// Every second place of the line: to[i] from line[2 i] ... line[2 i + 4].
void thin(const uint16_t* line, int n, uint8_t* to) {
    const vi low = splat_i(0xffff);
    for (int i = 0; i < n; i += VL) {
        const auto pairs = [&](int k) { return load_i(reinterpret_cast<const int32_t*>(line + 2 * (i + k))); };
        const vi left = pairs(0);
        const vi middle = pairs(1);
        const vi centre = middle & low;
        const vi outer = (left + pairs(2)) & low;
        const vi inner = shr(left + middle, 16);
        const vi sum = outer + shl(inner, 2) + (shl(centre, 2) + shl(centre, 1)) + splat_i(128);
        store_u8(to + i, shr(sum, 8));
    }
}

void thin(const float* line, int n, float* to) {
    for (int i = 0; i < n; ++i) {
        const float* t = line + 2 * i;
        to[i] = ((t[0] + t[4]) + 4.0F * (t[1] + t[3]) + 6.0F * t[2]) * (1.0F / 256);
    }
}

template <class T, class V> void halve(const HalveLeaf& a) {
    auto* line = static_cast<V*>(a.line);
    const int begin = 2 * a.x0 - 2;
    columns(a, line + (a.first - begin));
    for (int x = begin; x < a.first; ++x) {
        line[x - begin] = line[pyramid_reflect(x, a.width) - begin];
    }
    for (int x = a.last; x < 2 * a.x1 + 1; ++x) {
        line[x - begin] = line[pyramid_reflect(x, a.width) - begin];
    }
    thin(line, a.x1 - a.x0, static_cast<T*>(a.y));
}

} // namespace

void pyramid_rows(const HalveLeaf& leaf);
void pyramid_rows(const HalveLeaf& leaf) {
    if (leaf.is_float != 0) {
        halve<float, float>(leaf);
    } else {
        halve<uint8_t, uint16_t>(leaf);
    }
}

} // namespace fk::FK_ISA
