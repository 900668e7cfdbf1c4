// Pyramid and integral rows for a vector dialect V.
#pragma once

#include "ops/cascade/leaf.hpp"

namespace fk::FK_ISA {
namespace {

using cascade::ResizeTap;

template <class V> void integral_row(const uint8_t* pixels, int32_t count, int32_t half, const int32_t* sum_above, int32_t* sum,
                                     const uint32_t* square_above, uint32_t* square) {
    const auto* squares_in = reinterpret_cast<const int32_t*>(square_above);
    auto* squares_out = reinterpret_cast<int32_t*>(square);
    typename V::I carry = V::zero(), square_carry = V::zero();
    sum[0] = 0;
    if (square != nullptr) {
        square[0] = 0;
    }
    for (int32_t x = 0; x < count; x += V::lanes) {
        const typename V::I p = V::load_bytes(pixels + x);
        const typename V::I row = V::add(V::prefix(p), carry);
        carry = V::last(row);
        if (half > 0) {
            V::add_store_split(row, sum_above, sum, x / 2, half);
        } else {
            V::store(sum + x + 1, V::add(row, V::load(sum_above + x + 1)));
        }
        if (square == nullptr) {
            continue;
        }
        const typename V::I square_row = V::add(V::prefix(V::square(p)), square_carry);
        square_carry = V::last(square_row);
        if (half > 0) {
            V::add_store_split(square_row, squares_in, squares_out, x / 2, half);
        } else {
            V::store(squares_out + x + 1, V::add(square_row, V::load(squares_in + x + 1)));
        }
    }
}

template <class V>
void blend_rows(const int32_t* upper, const int32_t* lower, int32_t w0, int32_t w1, int32_t count, uint8_t* out) {
    for (int32_t x = 0; x < count; x += V::lanes) {
        V::store_blend(out + x, V::load(upper + x), V::load(lower + x), w0, w1);
    }
}

// Four outputs to a 128-bit lane: byte shuffle to (left, right) pairs of 16 bits, then multiply and add pairs.
template <class V> void resize_row(const uint8_t* row, const ResizeTap* taps, int32_t count, int32_t* out) {
    for (int32_t x = 0; x < count; x += 8) {
        V::resize8(row, taps + x / 4, out + x);
    }
}

} // namespace
} // namespace fk::FK_ISA
