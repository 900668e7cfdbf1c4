// A row at a time: sums within a vector by shifted additions, the running total carried from vector to vector, then the
// row above added. What does not fill a vector is done pixel by pixel. V is a dialect with
//   lanes · widen (bytes -> int32) · prefix · total · square · add_row (int32) · add_row_wide (int32 -> int64)
#pragma once

#include "ops/integral/leaf.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

template <class V> void integral_rows(const IntegralLeaf& a) {
    const int64_t row = a.width + 1;
    for (int64_t y = 0; y < a.height; ++y) {
        const uint8_t* p = a.pixels + y * a.stride_bytes;
        const int32_t* above = a.sum + y * row + 1;
        int32_t* sum = a.sum + (y + 1) * row + 1;
        const int64_t* square_above = (a.square != nullptr) ? a.square + y * row + 1 : nullptr;
        int64_t* square = (a.square != nullptr) ? a.square + (y + 1) * row + 1 : nullptr;
        int32_t total = 0;
        int64_t square_total = 0;
        int64_t x = 0;
        for (; x + V::lanes <= a.width; x += V::lanes) {
            const typename V::I pixels = V::widen(p + x);
            const typename V::I here = V::prefix(pixels);
            V::add_row(sum + x, above + x, here, total);
            total += V::total(here);
            if (square != nullptr) {
                const typename V::I squares = V::prefix(V::square(pixels));
                V::add_row_wide(square + x, square_above + x, squares, square_total);
                square_total += V::total(squares);
            }
        }
        for (; x < a.width; ++x) {
            total += p[x];
            sum[x] = above[x] + total;
            if (square != nullptr) {
                square_total += static_cast<int64_t>(p[x]) * p[x];
                square[x] = square_above[x] + square_total;
            }
        }
    }
}

} // namespace
} // namespace fk::FK_ISA
