// Depthwise convolution on blocked channels: each lane is a channel, there is nothing to broadcast.
//
// A tile is WIDTH neighbouring output pixels held in registers. Where the window's width and the stride are constants, a
// row of its weights stands in registers too and each vector of x is loaded once and used for every output that sees it:
// 3 x 3, stride 1, WIDTH 8: 13 loads for 24 FMA (27 with x as an operand of each FMA), 8 + 3 + 1 registers, 8 chains to
// cover the latency of 4. Large planes are bound by the second- and third-level cache in either set.
// A plane of no more channels than half a vector is done in half vectors (3 x 3 only).
// Nothing is padded: rows outside the image are clipped from the window for the whole row of outputs. A column outside at
// the left or right (at most one on a side, as with "same" padding of 3 x 3) is left out of the first or last tile at
// compile time: alone, an output at the edge is one chain of 6 FMA, as long as a tile of 8. Wider edges are done output by
// output. 512 channels at 10 x 10: 20 -> 15 us.
#pragma once

#include "ops/depthwise/leaf.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int widest = 8;

// The part of the window that lies inside the image.
struct Taps {
    const float* x; // cell of the first tap
    const float* w;
    int64_t rows, columns;
};

// Columns of a tile's window that lie outside the image: one before the first, one after the last, both.
enum Missing { none_missing = 0, left_missing = 1, right_missing = 2, both_missing = 3 };

__attribute__((noinline)) void finish(const DepthwiseLeaf& a, float* y, int pixels) {
    for (int j = 0; j < pixels; ++j) {
        store(y + j * VL, activate(load(y + j * VL), a.activation, a.alpha));
    }
}

// K: side of the window where it is a constant (columns == K, no dilation), else 0; S: the stride likewise. taps.x is the
// cell of the first tap, also where it is missing.
template <class V, int K, int S, int MISSING, int WIDTH>
void tile(const DepthwiseLeaf& a, const Taps& taps, const float* residual, float* y) {
    V acc[WIDTH];
    const V bias = load_as<V>(a.bias);
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        acc[j] = bias;
    }
    const int64_t step = static_cast<int64_t>(a.stride_w) * VL;
    const int64_t x_row = static_cast<int64_t>(a.dilation_h) * a.iw * VL;
    const int64_t x_column = static_cast<int64_t>(a.dilation_w) * VL;
    const int64_t w_row = (K != 0 ? K : static_cast<int64_t>(a.kw)) * VL;
    const float* x = taps.x;
    const float* w = taps.w;
    for (int64_t p = 0; p < taps.rows; ++p, x += x_row, w += w_row) {
        if constexpr (K != 0) {
            V wv[K];
            FK_UNROLL
            for (int q = 0; q < K; ++q) {
                wv[q] = load_as<V>(w + q * VL);
            }
            FK_UNROLL
            for (int t = MISSING & left_missing ? 1 : 0; t < (WIDTH - 1) * S + K - (MISSING & right_missing ? 1 : 0); ++t) {
                const V xv = load_as<V>(x + t * VL);
                FK_UNROLL
                for (int q = 0; q < K; ++q) {
                    if (t >= q && (t - q) % S == 0 && (t - q) / S < WIDTH) {
                        acc[(t - q) / S] = fma(wv[q], xv, acc[(t - q) / S]);
                    }
                }
            }
        } else {
            for (int64_t q = 0; q < taps.columns; ++q) {
                const V wv = load_as<V>(w + q * VL);
                FK_UNROLL
                for (int j = 0; j < WIDTH; ++j) {
                    acc[j] = fma(wv, load_as<V>(x + q * x_column + j * step), acc[j]);
                }
            }
        }
    }
    // A clip is done in registers; the rest is finished from memory, in one place for all tiles.
    const Clip limits = clip_of(is_clip(a.activation) ? a.activation : FK_ACTIVATION_NONE);
    FK_UNROLL
    for (int j = 0; j < WIDTH; ++j) {
        const V v = residual != nullptr ? acc[j] + load_as<V>(residual + j * VL) : acc[j];
        store(y + j * VL, clip(limits, v));
    }
    if (!is_clip(a.activation)) {
        finish(a, y, WIDTH);
    }
}

using Tile = void (*)(const DepthwiseLeaf&, const Taps&, const float*, float*);
template <class V, int K, int S, int MISSING, int... WIDTH> struct Tiles {
    static constexpr Tile of[] = {&tile<V, K, S, MISSING, WIDTH>...};
};
template <class V, int K, int S, int MISSING, int N, int... WIDTH> struct UpTo : UpTo<V, K, S, MISSING, N - 1, N, WIDTH...> {};
template <class V, int K, int S, int MISSING, int... WIDTH> struct UpTo<V, K, S, MISSING, 0, WIDTH...>
    : Tiles<V, K, S, MISSING, WIDTH...> {};

template <class V, int K, int S> FK_INLINE Tile tile_of(int missing, int64_t width) {
    if constexpr (K == 3) {
        switch (missing) {
        case left_missing:
            return UpTo<V, K, S, left_missing, widest>::of[width - 1];
        case right_missing:
            return UpTo<V, K, S, right_missing, widest>::of[width - 1];
        case both_missing:
            return UpTo<V, K, S, both_missing, widest>::of[width - 1];
        default:
            break;
        }
    }
    return UpTo<V, K, S, none_missing, widest>::of[width - 1];
}

FK_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
FK_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

// Taps [first, first + count) of a window of `size` taps from `begin` (may be negative) on, inside [0, in).
struct Span {
    int64_t first, count;
};
FK_INLINE Span taps_inside(int64_t begin, int64_t size, int64_t dilation, int64_t in) {
    int64_t first = -begin;
    int64_t end = in - begin;
    if (dilation != 1) {
        first = first > 0 ? (first + dilation - 1) / dilation : 0;
        end = end > 0 ? (end + dilation - 1) / dilation : 0;
    }
    first = at_least(first, 0);
    return {first, at_least(at_most(end, size) - first, 0)};
}

struct Line {
    const float* x;
    const float* w;
    const float* residual;
    float* y;
    int64_t rows;
};

// Outputs [from, to), each with its own part of the window's columns.
void edge(const DepthwiseLeaf& a, const Line& line, int64_t from, int64_t to) {
    for (int64_t j = from; j < to; ++j) {
        const int64_t left = j * a.stride_w - a.pad_left;
        const Span columns = taps_inside(left, a.kw, a.dilation_w, a.iw);
        const Taps taps{line.x + (left + columns.first * a.dilation_w) * VL, line.w + columns.first * VL, line.rows,
                        columns.count};
        tile<vf, 0, 0, none_missing, 1>(a, taps, line.residual != nullptr ? line.residual + j * VL : nullptr, line.y + j * VL);
    }
}

// Outputs [inner, outer) are done in tiles as equal as can be, split once for all rows. They see whole windows but for the
// columns that the first and the last tile miss.
struct Columns {
    int64_t inner, outer;
    int64_t tiles, narrow, wide_tiles; // this many tiles are one pixel wider than `narrow`
    int first_missing, last_missing;
};
template <int K, int S> FK_INLINE Columns split(const DepthwiseLeaf& a) {
    int64_t inner = at_most(a.ow, (static_cast<int64_t>(a.pad_left) + a.stride_w - 1) / a.stride_w);
    const int64_t room = static_cast<int64_t>(a.iw) + a.pad_left - (static_cast<int64_t>(a.kw - 1) * a.dilation_w + 1);
    int64_t outer = at_least(inner, room < 0 ? 0 : at_most(a.ow, room / a.stride_w + 1));
    int first_missing = none_missing;
    int last_missing = none_missing;
    if constexpr (K == 3) {
        if (inner == 1 && a.pad_left == 1 && outer > 1) {
            inner = 0;
            first_missing = left_missing;
        }
        // The next output's window ends one column outside.
        if (outer == a.ow - 1 && outer > inner && outer * S - a.pad_left + K == a.iw + 1) {
            ++outer;
            last_missing = right_missing;
        }
    }
    const int64_t count = outer - inner;
    const int64_t tiles = (count + widest - 1) / widest;
    const int64_t narrow = tiles > 0 ? count / tiles : 0;
    return {inner, outer, tiles, narrow, count - narrow * tiles, first_missing, last_missing};
}

template <class V, int K, int S> void inside(const DepthwiseLeaf& a, const Line& line, const Columns& columns) {
    int64_t j = columns.inner;
    for (int64_t t = 0; t < columns.tiles; ++t) {
        const int64_t width = columns.narrow + (t < columns.wide_tiles ? 1 : 0);
        const int missing = (t == 0 ? columns.first_missing : 0) | (t + 1 == columns.tiles ? columns.last_missing : 0);
        const Taps taps{line.x + (j * a.stride_w - a.pad_left) * VL, line.w, line.rows, a.kw};
        tile_of<V, K, S>(missing, width)(a, taps, line.residual != nullptr ? line.residual + j * VL : nullptr, line.y + j * VL);
        j += width;
    }
}

template <class V, int K, int S> void band(const DepthwiseLeaf& a) {
    const Columns columns = split<K, S>(a);
    for (int64_t i = a.begin; i < a.end; ++i) {
        const int64_t top = i * a.stride_h - a.pad_top;
        const Span rows = taps_inside(top, a.kh, a.dilation_h, a.ih);
        const int64_t y_at = i * a.ow * VL;
        // Without a row inside the image the pointer is not used; keep it in the plane all the same.
        const Line line{a.x + (rows.count > 0 ? top + rows.first * a.dilation_h : 0) * a.iw * VL, a.w + rows.first * a.kw * VL,
                        a.residual != nullptr ? a.residual + y_at : nullptr, a.y + y_at, rows.count};
        edge(a, line, 0, columns.inner);
        inside<V, K, S>(a, line, columns);
        edge(a, line, columns.outer, a.ow);
    }
}

} // namespace

void depthwise_direct(const DepthwiseLeaf& a);
void depthwise_direct(const DepthwiseLeaf& a) {
    const bool close = a.dilation_w == 1;
    const bool half = FK_HALVES != 0 && a.channels <= VL / 2;
    if (close && a.kw == 3 && a.stride_w == 1) {
        half ? band<vh, 3, 1>(a) : band<vf, 3, 1>(a);
    } else if (close && a.kw == 3 && a.stride_w == 2) {
        half ? band<vh, 3, 2>(a) : band<vf, 3, 2>(a);
    } else if (close && a.kw == 5 && a.stride_w == 1) {
        band<vf, 5, 1>(a);
    } else if (close && a.kw == 5 && a.stride_w == 2) {
        band<vf, 5, 2>(a);
    } else {
        band<vf, 0, 0>(a);
    }
}

} // namespace fk::FK_ISA
