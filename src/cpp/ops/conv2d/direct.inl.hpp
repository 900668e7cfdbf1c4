// Direct convolution on blocked channels, register tiled.
//
// A tile is OCB blocks of VL output channels times OW neighbouring output pixels, held in registers while the sum runs
// over input channels and the window. One step loads OCB weight vectors and broadcasts OW inputs for OCB * OW fused
// multiply-adds. Physics of the tile (AVX-512, 2 x 14): 2 + 14 loads feed 28 FMA, so loads (two a cycle at best) never
// bind; 28 independent chains cover the latency of 4 at up to two FMA a cycle; 28 + 2 + 1 of 32 registers are used.
// AVX2 (2 x 6): 8 loads for 12 FMA, 12 + 2 + 1 of 16 registers.
// Where the last block holds no more filters than half a vector, its sums stand in half vectors (20 filters: 1.5 blocks).
// The order of the sum (bias, residual, then channel block, window row, window column, channel) does not depend on the tile.
#pragma once

#include "ops/conv2d/leaf.hpp"
#include "ops/epilogue.inl.hpp"
#include "ops/pool_row.inl.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
constexpr int widest_of_1 = 14, widest_of_2 = 14, widest_of_4 = 6;
#elif FK_ISA_LEVEL == 1
constexpr int widest_of_1 = 8, widest_of_2 = 6, widest_of_4 = 0;
#else
constexpr int widest_of_1 = 6, widest_of_2 = 4, widest_of_4 = 0;
#endif

// Steps by which the weights are asked for before they are used: some 400 cycles at 14 to 28 a step, the way from memory.
// Hardware follows the stream within a page of 4 KiB only.
constexpr int weights_ahead = 24;

// How one pixel of a tile follows another in x. Constants become displacements of the broadcast's address.
enum Step { blocked_1, blocked_2, planar_1, planar_2, any_step };

template <int STEP> FK_INLINE int64_t pixel_distance(const Conv2dLeaf& a) {
    switch (STEP) {
    case blocked_1:
        return VL;
    case blocked_2:
        return 2 * VL;
    case planar_1:
        return 1;
    case planar_2:
        return 2;
    default:
        return a.pixel_step * a.stride_w;
    }
}

__attribute__((noinline)) void finish(const Conv2dLeaf& a, float* y, int blocks, int pixels) {
    for (int i = 0; i < blocks; ++i) {
        for (int j = 0; j < pixels; ++j) {
            const int64_t at = i * a.y_block + j * VL;
            store(y + at, activate(load(y + at), a.activation, a.alpha));
        }
    }
}

// The sums of a tile: WHOLE blocks, and one in half vectors where HALF is 1.
template <int WHOLE, int HALF, int OW> struct Sums {
    vf whole[WHOLE > 0 ? WHOLE : 1][OW];
    vh half[OW];
};

template <int WHOLE, int HALF, int OW>
FK_INLINE void start(Sums<WHOLE, HALF, OW>& sums, const float* bias, const float* residual, int64_t y_block) {
    FK_UNROLL
    for (int i = 0; i < WHOLE; ++i) {
        const vf b = load(bias + i * VL);
        FK_UNROLL
        for (int j = 0; j < OW; ++j) {
            sums.whole[i][j] = residual != nullptr ? b + load(residual + i * y_block + j * VL) : b;
        }
    }
    if constexpr (HALF != 0) {
        const vh b = load_low(bias + WHOLE * VL);
        FK_UNROLL
        for (int j = 0; j < OW; ++j) {
            sums.half[j] = residual != nullptr ? b + load_low(residual + WHOLE * y_block + j * VL) : b;
        }
    }
}

// One channel at one cell of the window: a weight for each block times OW inputs.
template <int WHOLE, int HALF, int OW>
FK_INLINE void add(Sums<WHOLE, HALF, OW>& sums, const float* x, int64_t step, const float* w, int64_t w_pair) {
    constexpr int w_step = WHOLE + HALF == 1 ? VL : 2 * VL;
    vf wv[WHOLE + HALF];
    FK_UNROLL
    for (int i = 0; i < WHOLE + HALF; ++i) {
        wv[i] = load(w + i / 2 * w_pair + i % 2 * VL);
        prefetch(w + i / 2 * w_pair + i % 2 * VL + weights_ahead * w_step);
    }
    FK_UNROLL
    for (int j = 0; j < OW; ++j) {
        if constexpr (WHOLE == 0) {
            sums.half[j] = fma(low(wv[0]), splat_low(x[j * step]), sums.half[j]);
        } else {
            const vf xv = splat(x[j * step]);
            FK_UNROLL
            for (int i = 0; i < WHOLE; ++i) {
                sums.whole[i][j] = fma(wv[i], xv, sums.whole[i][j]);
            }
            if constexpr (HALF != 0) {
                sums.half[j] = fma(low(wv[WHOLE]), low(xv), sums.half[j]);
            }
        }
    }
}

// A clip is done in registers; the rest is finished from memory, in one place for all tiles.
template <int WHOLE, int HALF, int OW> FK_INLINE void give(const Conv2dLeaf& a, const Sums<WHOLE, HALF, OW>& sums, float* y) {
    const Clip limits = clip_of(is_clip(a.activation) ? a.activation : FK_ACTIVATION_NONE);
    FK_UNROLL
    for (int j = 0; j < OW; ++j) {
        FK_UNROLL
        for (int i = 0; i < WHOLE; ++i) {
            store(y + i * a.y_block + j * VL, clip(limits, sums.whole[i][j]));
        }
        if constexpr (HALF != 0) {
            store(y + WHOLE * a.y_block + j * VL, clip(limits, sums.half[j]));
        }
    }
    if (!is_clip(a.activation)) {
        finish(a, y, WHOLE + HALF, OW);
    }
}

template <int OCB, int OW, int STEP, bool HALF>
void tile(const Conv2dLeaf& a, const float* x, const float* w, const float* bias, const float* residual, float* y) {
    Sums<HALF ? OCB - 1 : OCB, HALF ? 1 : 0, OW> sums;
    start(sums, bias, residual, a.y_block);
    const int64_t w_pair = static_cast<int64_t>(a.ic) * a.kh * a.kw * 2 * VL;
    const int64_t channel_step = STEP == blocked_1 || STEP == blocked_2 ? 1 : a.channel_step;
    const int64_t step = pixel_distance<STEP>(a);
    for (int c0 = 0; c0 < a.ic; c0 += VL, x += a.x_block) {
        const int channels = a.ic - c0 < VL ? a.ic - c0 : VL;
        const float* x_row = x;
        for (int kh = 0; kh < a.kh; ++kh, x_row += a.dilation_h * a.x_row) {
            const float* x_pixel = x_row;
            for (int kw = 0; kw < a.kw; ++kw, x_pixel += a.dilation_w * a.pixel_step) {
                const float* xc = x_pixel;
                for (int c = 0; c < channels; ++c, xc += channel_step, w += OCB == 1 ? VL : 2 * VL) {
                    add(sums, xc, step, w, w_pair);
                }
            }
        }
    }
    give(a, sums, y);
}

using Tile = void (*)(const Conv2dLeaf&, const float*, const float*, const float*, const float*, float*);

// tiles[ow - 1] for every width that this number of channel blocks allows.
template <int OCB, int STEP, bool HALF, int... OW> struct Tiles {
    static constexpr Tile of[] = {&tile<OCB, OW, STEP, HALF>...};
};
template <int OCB, int STEP, bool HALF, int N, int... OW> struct UpTo : UpTo<OCB, STEP, HALF, N - 1, N, OW...> {};
template <int OCB, int STEP, bool HALF, int... OW> struct UpTo<OCB, STEP, HALF, 0, OW...> : Tiles<OCB, STEP, HALF, OW...> {};

// The last row of sums in the windows of row p of the maxima.
FK_INLINE int last_row(const PoolWindow& w, int p) {
    const int last = p * w.stride_h - w.pad_top + w.kh;
    return (last < w.ih ? last : w.ih) - 1;
}

// Row p of the maxima; its windows end with row `row` of the sums, which stands in the ring's slot `slot`.
__attribute__((noinline)) void pool_windows(const Conv2dLeaf& a, int oc_block, int blocks, int row, int slot, int p) {
    const PoolWindow& w = a.pool;
    const int top = p * w.stride_h - w.pad_top;
    const int height = row + 1 - (top < 0 ? 0 : top);
    const float* rows[most_pooled_rows];
    for (int block = oc_block; block < oc_block + blocks; ++block) {
        for (int r = height - 1, at = slot; r >= 0; --r, at = at == 0 ? w.kh - 1 : at - 1) {
            rows[r] = a.y + block * a.y_block + at * a.y_row;
        }
        pool_row<pool_max>(
            w, [&rows](int64_t r) { return rows[r]; }, height, 0.0F,
            a.pooled + block * a.pooled_block + (p - a.pool_begin) * a.pooled_row);
    }
}

// Where a band of sums that are pooled stands: the ring's slot of the row, and the next row of maxima.
struct Ring {
    explicit Ring(const Conv2dLeaf& leaf) : a(leaf), slot(leaf.first % leaf.pool.kh), next(leaf.pool_begin) {
        while (next < a.pool_end && last_row(a.pool, next) < a.first) {
            ++next;
        }
    }
    // A row of sums of some blocks is done.
    void take(int oc_block, int blocks, int row) {
        for (; next < a.pool_end && last_row(a.pool, next) == row; ++next) {
            pool_windows(a, oc_block, blocks, row, slot, next);
        }
        slot = slot + 1 == a.pool.kh ? 0 : slot + 1;
    }

    const Conv2dLeaf& a;
    int slot;
    int next;
};

template <int OCB, int STEP, int WIDEST, bool HALF = false> void band(const Conv2dLeaf& a, int oc_block) {
    const int64_t w_block = static_cast<int64_t>(a.ic) * a.kh * a.kw * VL;
    const float* w = a.w + oc_block * w_block;
    const float* bias = a.bias + oc_block * VL;
    const int tiles = (a.ow + WIDEST - 1) / WIDEST;
    const int narrow = a.ow / tiles;
    const int wide_tiles = a.ow - narrow * tiles; // this many are one pixel wider
    const auto sum_row = [&](int row, float* y, const float* residual) {
        const float* x = a.x + row * a.stride_h * a.x_row;
        for (int t = 0; t < tiles; ++t) {
            const int width = narrow + (t < wide_tiles ? 1 : 0);
            UpTo<OCB, STEP, HALF, WIDEST>::of[width - 1](a, x, w, bias, residual, y);
            x += width * pixel_distance<STEP>(a);
            y += width * VL;
            residual = residual != nullptr ? residual + width * VL : nullptr;
        }
    };
    if (a.pooled != nullptr) {
        Ring ring(a);
        for (int row = 0; row < a.rows; ++row) {
            sum_row(row, a.y + oc_block * a.y_block + ring.slot * a.y_row, nullptr);
            ring.take(oc_block, OCB, a.first + row);
        }
        return;
    }
    for (int row = 0; row < a.rows; ++row) {
        const int64_t y = oc_block * a.y_block + row * a.y_row;
        sum_row(row, a.y + y, a.residual != nullptr ? a.residual + y : nullptr);
    }
}

template <int STEP> void all_blocks(const Conv2dLeaf& a) {
    constexpr bool general = STEP == any_step;
    const bool half = FK_HALVES != 0 && a.oc_last <= VL / 2;
    const int whole = a.oc_blocks - (half ? 1 : 0);
    int block = 0;
    if constexpr (widest_of_4 > 0 && !general) {
        if (a.ow <= widest_of_4) {
            for (; block + 4 <= whole; block += 4) {
                band<4, STEP, widest_of_4>(a, block);
            }
        }
    }
    for (; block + 2 <= whole; block += 2) {
        band<2, STEP, general ? 3 : widest_of_2>(a, block);
    }
#if FK_HALVES
    if (half) {
        if (block + 2 == a.oc_blocks) {
            band<2, STEP, general ? 3 : widest_of_2, true>(a, block);
        } else {
            band<1, STEP, general ? 3 : widest_of_1, true>(a, block);
        }
        return;
    }
#endif
    if (block < a.oc_blocks) {
        band<1, STEP, general ? 3 : widest_of_1>(a, block);
    }
}

void direct(const Conv2dLeaf& a) {
    const bool blocked = a.channel_step == 1 && a.pixel_step == VL;
    if (blocked && a.stride_w == 1) {
        all_blocks<blocked_1>(a);
    } else if (blocked && a.stride_w == 2) {
        all_blocks<blocked_2>(a);
    } else if (a.pixel_step == 1 && a.stride_w == 1) {
        all_blocks<planar_1>(a);
    } else if (a.pixel_step == 1 && a.stride_w == 2) {
        all_blocks<planar_2>(a);
    } else {
        all_blocks<any_step>(a);
    }
}

} // namespace

void conv2d_direct(const Conv2dLeaf& leaf);
void conv2d_direct(const Conv2dLeaf& leaf) { direct(leaf); }

} // namespace fk::FK_ISA
