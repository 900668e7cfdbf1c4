// Pooling of bytes on blocked channels: a pixel is one vector of 16 channels. Neighbouring outputs stand in registers while
// the window's cells pass by; cells outside the image are left out by clipping the window.
#pragma once

#include "ops/pool_int8/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
FK_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

template <int WIDTH> FK_INLINE void most(const PoolInt8Leaf& a, const uint8_t* x, int64_t rows, int64_t columns, uint8_t* y) {
    __m128i value[WIDTH];
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        value[j] = _mm_setzero_si128();
    }
    for (int64_t p = 0; p < rows; ++p, x += static_cast<int64_t>(a.iw) * 16) {
        for (int64_t q = 0; q < columns; ++q) {
            FK_UNROLL
            for (int j = 0; j < WIDTH; ++j) {
                const auto* cell = reinterpret_cast<const __m128i*>(x + (q + static_cast<int64_t>(j) * a.stride_w) * 16);
                value[j] = _mm_max_epu8(value[j], _mm_loadu_si128(cell));
            }
        }
    }
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(y + j * 16), value[j]);
    }
}

FK_INLINE void mean(const PoolInt8Leaf& a, const uint8_t* x, int64_t rows, int64_t columns, uint8_t* y) {
    lanes16 sum = no_lanes();
    for (int64_t p = 0; p < rows; ++p, x += static_cast<int64_t>(a.iw) * 16) {
        for (int64_t q = 0; q < columns; ++q) {
            sum = sum + bytes_to_lanes(x + q * 16);
        }
    }
    const int64_t cells = rows * columns;
    const int64_t count = a.count_include_pad != 0 ? static_cast<int64_t>(a.kh) * a.kw : cells;
    int32_t zeros[16];
    for (int32_t& zero : zeros) {
        zero = -static_cast<int32_t>(cells) * a.x_zero;
    }
    const floats16 scaled = to_floats(sum + load_lanes(zeros)) * splat16(a.ratio / static_cast<float>(count));
    store_bytes(y, clip(scaled + splat16(a.y_zero), splat16(0.0F), splat16(255.0F)));
}

} // namespace

void pool_int8_sliding(const PoolInt8Leaf& a);
void pool_int8_sliding(const PoolInt8Leaf& a) {
    // Outputs in [inner, outer) see whole windows.
    const int64_t inner = at_most(a.ow, (static_cast<int64_t>(a.pad_left) + a.stride_w - 1) / a.stride_w);
    const int64_t room = static_cast<int64_t>(a.iw) + a.pad_left - a.kw;
    const int64_t outer = at_least(inner, room < 0 ? 0 : at_most(a.ow, room / a.stride_w + 1));
    for (int64_t i = a.begin; i < a.end; ++i) {
        const int64_t top = i * a.stride_h - a.pad_top;
        const int64_t first = at_least(top, 0);
        const int64_t rows = at_most(top + a.kh, a.ih) - first;
        const uint8_t* x = a.x + first * a.iw * 16;
        uint8_t* y = a.y + i * a.ow * 16;
        for (int64_t j = 0; j < a.ow;) {
            const int64_t left = j * a.stride_w - a.pad_left;
            const int64_t from = at_least(left, 0);
            const int64_t columns = at_most(left + a.kw, a.iw) - from;
            if (a.average != 0) {
                mean(a, x + from * 16, rows, columns, y + j * 16);
                j += 1;
            } else if (j >= inner && j + 4 <= outer) {
                most<4>(a, x + left * 16, rows, a.kw, y + j * 16);
                j += 4;
            } else {
                most<1>(a, x + from * 16, rows, columns, y + j * 16);
                j += 1;
            }
        }
    }
}

} // namespace fk::FK_ISA
