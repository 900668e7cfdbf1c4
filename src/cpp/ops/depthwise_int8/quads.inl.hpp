// Depthwise convolution of bytes, four columns of the window at a time: one load of four pixels, transposed by vpermb so
// that each lane holds one channel of the four, then vpdpbusd. Windows of three columns at stride 1 leave one column over:
// the same four pixels serve the next output too, with weights that stand one column further, so that a 3 x 3 window costs
// 3 loads, 3 permutations and 6 vpdpbusd for two outputs.
#pragma once

#include "ops/depthwise_int8/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {
namespace {

// Byte 4 c + p of the result is byte 16 p + c: channel c of pixel p.
FK_INLINE __m512i transposition() {
    const __m512i channel = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_add_epi8(_mm512_mullo_epi32(channel, _mm512_set1_epi32(0x01010101)), _mm512_set1_epi32(0x30201000));
}

// N loads in each row of the window, `outputs` results of each; `wanted` of the N * OUTPUTS are stored.
template <int N, int OUTPUTS>
FK_INLINE void tile(const DepthwiseInt8Leaf& a, const uint8_t* x, uint8_t* y, int wanted, __m512i order) {
    lanes16 acc[N][OUTPUTS];
    FK_UNROLL
    for (int j = 0; j < N; ++j) {
        FK_UNROLL
        for (int t = 0; t < OUTPUTS; ++t) {
            acc[j][t] = load_lanes(a.start);
        }
    }
    const auto* w = static_cast<const int8_t*>(a.w);
    const int64_t step = a.x_pixel * OUTPUTS;
    for (int row = 0; row < a.kh; ++row, x += a.window_row) {
        const uint8_t* run = x;
        for (int r = 0; r < a.runs; ++r, w += OUTPUTS * 64, run += 64) {
            weights16 wv[OUTPUTS];
            FK_UNROLL
            for (int t = 0; t < OUTPUTS; ++t) {
                wv[t] = load_weights(w + t * 64);
            }
            FK_UNROLL
            for (int j = 0; j < N; ++j) {
                const words16 four{_mm512_permutexvar_epi8(order, _mm512_loadu_si512(run + j * step))};
                FK_UNROLL
                for (int t = 0; t < OUTPUTS; ++t) {
                    acc[j][t] = dot(acc[j][t], four, wv[t]);
                }
            }
        }
    }
    const floats16 multiplier = load_floats(a.requantize.multiplier);
    const floats16 offset = load_floats(a.requantize.offset);
    const floats16 low = splat16(a.requantize.low);
    const floats16 high = splat16(a.requantize.high);
    FK_UNROLL
    for (int j = 0; j < N; ++j) {
        FK_UNROLL
        for (int t = 0; t < OUTPUTS; ++t) {
            if (j * OUTPUTS + t < wanted) {
                store_bytes(y + (j * OUTPUTS + t) * 16, clip(to_floats(acc[j][t]) * multiplier + offset, low, high));
            }
        }
    }
}

template <int OUTPUTS> void band(const DepthwiseInt8Leaf& a) {
    constexpr int many = 8 / OUTPUTS;
    const __m512i order = transposition();
    uint8_t* y = a.y;
    for (int i = 0; i < a.rows; ++i) {
        const uint8_t* x = a.x + i * a.x_row;
        int j = 0;
        for (; j + 8 <= a.ow; j += 8, y += 8 * 16) {
            tile<many, OUTPUTS>(a, x + j * a.x_pixel, y, 8, order);
        }
        for (; j < a.ow; j += OUTPUTS) {
            const int wanted = a.ow - j < OUTPUTS ? a.ow - j : OUTPUTS;
            tile<1, OUTPUTS>(a, x + j * a.x_pixel, y, wanted, order);
            y += wanted * 16;
        }
    }
}

} // namespace

void depthwise_int8_quads(const DepthwiseInt8Leaf& a);
void depthwise_int8_quads(const DepthwiseInt8Leaf& a) {
    if (a.outputs == 2) {
        band<2>(a);
    } else {
        band<1>(a);
    }
}

} // namespace fk::FK_ISA
