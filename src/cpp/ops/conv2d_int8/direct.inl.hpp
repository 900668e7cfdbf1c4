// Direct 8-bit convolution, register tiled.
//
// A tile is G blocks of 16 output channels times OW neighbouring output pixels, as int32 sums in registers. A step loads G
// vectors of weights, which follow each other in memory, and spreads four bytes of x for each pixel.
// AVX-512 with VNNI (2 x 14): 16 loads feed 28 vpdpbusd of 64 multiply-adds; 28 chains cover their latency of 4 or 5; 31 of
// 32 registers. 4 x 6 where rows are short. 450 of 465 GOP/s on a core of Zen 4.
// vpmaddwd (no VNNI) needs an addition for each product and half as many multiply-adds in each: 2 x 12, and on AVX2
// (16 registers, two vectors for 16 lanes) 1 x 5.
#pragma once

#include "ops/conv2d_int8/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 3
constexpr int widest_of_1 = 14, widest_of_2 = 14, widest_of_4 = 6;
#elif FK_ISA_LEVEL == 2
constexpr int widest_of_1 = 12, widest_of_2 = 12, widest_of_4 = 5;
#else
constexpr int widest_of_1 = 5, widest_of_2 = 2, widest_of_4 = 1;
#endif

// Sums to bytes. The lower end of the clip is left to the packing (dot.hpp): between whole numbers the order of rounding
// and clipping is no matter.
template <bool RESIDUAL, int G, int OW, int I = 0>
FK_INLINE void store_tile(const Conv2dInt8Leaf& a, const lanes16 (&acc)[G][OW], int block, const uint8_t* residual, uint8_t* y) {
    if constexpr (I < G) {
        const floats16 high = splat16(a.requantize.high);
        const floats16 multiplier = load_floats(a.requantize.multiplier + (block + I) * 16);
        const floats16 offset = load_floats(a.requantize.offset + (block + I) * 16);
        floats16 v[OW];
        FK_UNROLL
        for (int j = 0; j < OW; ++j) {
            v[j] = to_floats(acc[I][j]) * multiplier + offset;
            if constexpr (RESIDUAL) {
                v[j] = with_residual(v[j], residual + I * a.y_block + j * 16, a.requantize.residual_multiplier);
            }
            v[j] = min(v[j], high);
        }
        store_run(y + I * a.y_block, v, a.requantize.low);
        store_tile<RESIDUAL, G, OW, I + 1>(a, acc, block, residual, y);
    }
}

template <int N>
FK_INLINE void finish_run(const Conv2dInt8Leaf& a, const int32_t* sums, int channel, const uint8_t* residual, uint8_t* y) {
    const floats16 multiplier = load_floats(a.requantize.multiplier + channel);
    const floats16 offset = load_floats(a.requantize.offset + channel);
    floats16 v[N];
    FK_UNROLL
    for (int j = 0; j < N; ++j) {
        const floats16 scaled = to_floats(load_lanes(sums + j * 16)) * multiplier + offset;
        v[j] = min(with_residual(scaled, residual + j * 16, a.requantize.residual_multiplier), splat16(a.requantize.high));
    }
    store_run(y, v, a.requantize.low);
}

// The same with a residual, from memory.
__attribute__((noinline)) void finish(const Conv2dInt8Leaf& a, const int32_t* sums, int block, int blocks, int pixels,
                                      const uint8_t* residual, uint8_t* y) {
    for (int i = 0; i < blocks; ++i) {
        int64_t at = i * a.y_block;
        int j = 0;
        for (; j + 4 <= pixels; j += 4, sums += 4 * 16, at += 4 * 16) {
            finish_run<4>(a, sums, (block + i) * 16, residual + at, y + at);
        }
        for (; j < pixels; ++j, sums += 16, at += 16) {
            finish_run<1>(a, sums, (block + i) * 16, residual + at, y + at);
        }
    }
}

template <int G, int OW, int H>
FK_INLINE void step_half(lanes16 (&acc)[G][OW], const uint8_t* x, int64_t pixel, const int8_t* w) {
    weights16 wv[G];
    FK_UNROLL
    for (int i = 0; i < G; ++i) {
        wv[i] = load_weights(w + (H * G + i) * 64);
    }
    FK_UNROLL
    for (int j = 0; j < OW; ++j) {
        const words16 xv = half<H>(spread(x + j * pixel));
        FK_UNROLL
        for (int i = 0; i < G; ++i) {
            acc[i][j] = dot(acc[i][j], xv, wv[i]);
        }
    }
}

// PIXEL: bytes between the windows of neighbouring outputs (displacements of the loads), 0: whatever the leaf says. Tiles
// with a residual are functions of their own where they are common; what is rare is finished from memory.
template <int G, int OW, int PIXEL, bool RESIDUAL>
void tile(const Conv2dInt8Leaf& a, const uint8_t* x, const int8_t* w, int block, const uint8_t* residual, uint8_t* y) {
    lanes16 acc[G][OW];
    FK_UNROLL
    for (int i = 0; i < G; ++i) {
        const lanes16 start = load_lanes(a.start + (block + i) * 16);
        FK_UNROLL
        for (int j = 0; j < OW; ++j) {
            acc[i][j] = start;
        }
    }
    const int64_t pixel = PIXEL != 0 ? PIXEL : a.x_pixel;
    for (int k = 0; k < a.steps; ++k, w += HALVES * G * 64) {
        const uint8_t* word = x + a.offsets[k];
        step_half<G, OW, 0>(acc, word, pixel, w);
        if constexpr (HALVES == 2) {
            step_half<G, OW, 1>(acc, word, pixel, w);
        }
    }
    // GCC 12 gives the sums registers in the loop above only with this second way out behind it.
    if (RESIDUAL == (residual != nullptr)) {
        store_tile<RESIDUAL>(a, acc, block, residual, y);
        return;
    }
    alignas(64) int32_t sums[G * OW * 16];
    FK_UNROLL
    for (int i = 0; i < G; ++i) {
        FK_UNROLL
        for (int j = 0; j < OW; ++j) {
            store_lanes(sums + (i * OW + j) * 16, acc[i][j]);
        }
    }
    finish(a, sums, block, G, OW, residual, y);
}

using Tile = void (*)(const Conv2dInt8Leaf&, const uint8_t*, const int8_t*, int, const uint8_t*, uint8_t*);

// of[ow - 1] for every width that this number of channel blocks allows.
template <int G, int PIXEL, bool RESIDUAL, int... OW> struct Tiles {
    static constexpr Tile of[] = {&tile<G, OW, PIXEL, RESIDUAL>...};
};
template <int G, int PIXEL, bool RESIDUAL, int N, int... OW> struct UpTo : UpTo<G, PIXEL, RESIDUAL, N - 1, N, OW...> {};
template <int G, int PIXEL, bool RESIDUAL, int... OW> struct UpTo<G, PIXEL, RESIDUAL, 0, OW...>
    : Tiles<G, PIXEL, RESIDUAL, OW...> {};

template <int G, int PIXEL, bool RESIDUAL, int WIDEST> void band(const Conv2dInt8Leaf& a, const int8_t* w, int block) {
    const int tiles = (a.ow + WIDEST - 1) / WIDEST;
    const int narrow = a.ow / tiles;
    const int wide_tiles = a.ow - narrow * tiles; // this many are one pixel wider
    for (int row = 0; row < a.rows; ++row) {
        const uint8_t* x = a.x + row * a.x_row;
        int64_t y = block * a.y_block + row * a.y_row;
        for (int t = 0; t < tiles; ++t) {
            const int width = narrow + (t < wide_tiles ? 1 : 0);
            const uint8_t* residual = a.residual != nullptr ? a.residual + y : nullptr;
            UpTo<G, PIXEL, RESIDUAL, WIDEST>::of[width - 1](a, x, w, block, residual, a.y + y);
            x += width * a.x_pixel;
            y += width * 16;
        }
    }
}

template <int PIXEL, bool RESIDUAL> void all_blocks(const Conv2dInt8Leaf& a) {
    constexpr bool general = PIXEL == 0;
    const auto* w = static_cast<const int8_t*>(a.w);
    const int64_t w_block = static_cast<int64_t>(a.steps) * HALVES * 64;
    for (int block = 0; block < a.oc_blocks;) {
        const int blocks = a.oc_blocks - block < a.group ? a.oc_blocks - block : a.group;
        switch (blocks) {
        case 1:
            band<1, PIXEL, RESIDUAL, general ? 3 : widest_of_1>(a, w, block);
            break;
        case 2:
            band<2, PIXEL, RESIDUAL, general ? 3 : widest_of_2>(a, w, block);
            break;
        case 3:
            band<3, PIXEL, RESIDUAL, general ? 1 : widest_of_4>(a, w, block);
            break;
        default:
            band<4, PIXEL, RESIDUAL, general ? 1 : widest_of_4>(a, w, block);
        }
        w += blocks * w_block;
        block += blocks;
    }
}

} // namespace

void conv2d_int8_direct(const Conv2dInt8Leaf& a);
void conv2d_int8_direct(const Conv2dInt8Leaf& a) {
    if (a.residual != nullptr && a.x_pixel == 16) {
        return all_blocks<16, true>(a);
    }
    switch (a.x_pixel) {
    case 1:
        return all_blocks<1, false>(a);
    case 2:
        return all_blocks<2, false>(a);
    case 16:
        return all_blocks<16, false>(a);
    case 32:
        return all_blocks<32, false>(a);
    default:
        return all_blocks<0, false>(a);
    }
}

} // namespace fk::FK_ISA
