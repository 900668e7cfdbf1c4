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

// N loads in each row of the window, OUTPUTS results of each; all of them are stored, or all but the last.
template <int N, int OUTPUTS> void tile(const DepthwiseInt8Leaf& a, const uint8_t* x, uint8_t* y, int wanted, __m512i order) {
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
    const floats16 high = splat16(a.requantize.high);
    floats16 v[N * OUTPUTS];
    FK_UNROLL
    for (int j = 0; j < N; ++j) {
        FK_UNROLL
        for (int t = 0; t < OUTPUTS; ++t) {
            v[j * OUTPUTS + t] = min(to_floats(acc[j][t]) * multiplier + offset, high);
        }
    }
    if (wanted == N * OUTPUTS) {
        store_run(y, v, a.requantize.low);
        return;
    }
    constexpr int fewer = N * OUTPUTS - (OUTPUTS - 1);
    floats16 first[fewer];
    FK_UNROLL
    for (int k = 0; k < fewer; ++k) {
        first[k] = v[k];
    }
    store_run(y, first, a.requantize.low);
}

using Tile = void (*)(const DepthwiseInt8Leaf&, const uint8_t*, uint8_t*, int, __m512i);
// of[n - 1] for n loads.
template <int OUTPUTS, int... N> struct Tiles {
    static constexpr Tile of[] = {&tile<N, OUTPUTS>...};
};
using Pairs = Tiles<2, 1, 2, 3, 4, 5, 6, 7, 8>;
using Singles = Tiles<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16>;

template <int OUTPUTS, class TILES> void band(const DepthwiseInt8Leaf& a) {
    constexpr int widest = 16 / OUTPUTS;
    const __m512i order = transposition();
    const int loads = (a.ow + OUTPUTS - 1) / OUTPUTS;
    const int tiles = (loads + widest - 1) / widest;
    const int narrow = loads / tiles;
    const int wide_tiles = loads - narrow * tiles; // this many have one load more
    for (int i = 0; i < a.rows; ++i) {
        const uint8_t* x = a.x + i * a.x_row;
        uint8_t* y = a.y + static_cast<int64_t>(i) * a.ow * 16;
        int left = a.ow;
        for (int t = 0; t < tiles; ++t) {
            const int n = narrow + (t < wide_tiles ? 1 : 0);
            const int wanted = n * OUTPUTS < left ? n * OUTPUTS : left;
            TILES::of[n - 1](a, x, y, wanted, order);
            x += wanted * a.x_pixel;
            y += wanted * 16;
            left -= wanted;
        }
    }
}

} // namespace

void depthwise_int8_quads(const DepthwiseInt8Leaf& a);
void depthwise_int8_quads(const DepthwiseInt8Leaf& a) {
    if (a.outputs == 2) {
        band<2, Pairs>(a);
    } else {
        band<1, Singles>(a);
    }
}

} // namespace fk::FK_ISA
