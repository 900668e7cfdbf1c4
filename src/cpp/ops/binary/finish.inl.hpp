// From differing bits, counted for some pixels and a group of filters, to numbers or to bits of the next layer.
#pragma once

#include "ops/binary/leaf.hpp"
#include "ops/binary/transpose.inl.hpp"
#include "ops/epilogue.inl.hpp"

namespace fk::FK_ISA {
namespace {

// Output pixels that are counted before they are finished: a cache line of each filter's plane.
constexpr int chunk = 16;

// The sums of signs of VL filters at a pixel.
FK_INLINE vi sums(const BinaryLeaf& a, int filter, int pixel, const int32_t* differing) {
    const int64_t at = static_cast<int64_t>(a.window_case[pixel]) * a.padded_filters + filter;
    return load_i(a.offsets + at) - shl(load_i(differing), 1);
}

FK_INLINE vf number(const BinaryLeaf& a, int filter, int pixel, const int32_t* differing) {
    // Products and sum are rounded one by one, on every instruction set alike.
    vf y = to_float(sums(a, filter, pixel, differing)) * load(a.alpha + filter);
    if (a.scale != nullptr) {
        y = y * splat(a.scale[pixel]);
    }
    return activate(y + load(a.bias + filter), a.activation, a.slope);
}

// y with a pixel's filters side by side.
FK_INLINE void store_rows(const BinaryLeaf& a, int filter, int lanes, int first, int pixels, const int32_t* differing,
                          int group) {
    for (int p = 0; p < pixels; ++p) {
        float* to = a.y + (first + p) * a.y_pixel + filter;
        const vf y = number(a, filter, first + p, differing + p * group);
        if (lanes >= VL) {
            store(to, y);
        } else {
            store_n(to, y, lanes);
        }
    }
}

// y with a filter's pixels side by side.
FK_INLINE void store_planes(const BinaryLeaf& a, int filter, int lanes, int first, int pixels, const int32_t* differing,
                            int group) {
    vf square[VL];
    FK_UNROLL
    for (int p = 0; p < VL; ++p) {
        const int at = p < pixels ? p : pixels - 1;
        square[p] = number(a, filter, first + at, differing + at * group);
    }
    transpose(square);
    float* to = a.y + filter * a.y_filter + first;
    FK_UNROLL
    for (int lane = 0; lane < VL; ++lane, to += a.y_filter) {
        if (lane >= lanes) {
            return;
        }
        if (pixels >= VL) {
            store(to, square[lane]);
        } else {
            store_n(to, square[lane], pixels);
        }
    }
}

FK_INLINE void store_bits(const BinaryLeaf& a, int filter, int first, int pixels, const int32_t* differing, int group) {
    for (int p = 0; p < pixels; ++p) {
        uint32_t* to = a.bits + static_cast<int64_t>(first + p) * a.out_words + filter / 32;
        for (int f = 0; f < group && filter + f < a.filters; f += 32) {
            uint32_t bits = 0;
            FK_UNROLL
            for (int v = 0; v < 32; v += VL) {
                const int at = filter + f + v;
                const vi sum = sums(a, at, first + p, differing + p * group + f + v) * load_i(a.direction + at);
                bits |= static_cast<uint32_t>(mask_bits(lt_i(sum, load_i(a.at_least + at)))) << v;
            }
            to[f / 32] = bits;
        }
    }
}

// The lines that a chunk will write, called for before its bits are counted: they come while that goes on.
FK_INLINE void call_for_planes(const BinaryLeaf& a, int filter, int first, int group) {
    if (a.y == nullptr || a.y_filter == 1) {
        return;
    }
    const float* to = a.y + filter * a.y_filter + first;
    for (int f = 0; f < group && filter + f < a.filters; ++f, to += a.y_filter) {
        __builtin_prefetch(to, 1);
    }
}

// differing: [pixels][group] for the pixels from `first` and the filters from `filter` on.
static inline __attribute__((noinline)) void finish(const BinaryLeaf& a, int filter, int first, int pixels,
                                                    const int32_t* differing, int group) {
    if (a.y == nullptr) {
        return store_bits(a, filter, first, pixels, differing, group);
    }
    for (int f = 0; f < group && filter + f < a.filters; f += VL) {
        const int lanes = a.filters - filter - f;
        if (a.y_filter == 1) {
            store_rows(a, filter + f, lanes, first, pixels, differing + f, group);
            continue;
        }
        for (int p = 0; p < pixels; p += VL) {
            store_planes(a, filter + f, lanes, first + p, pixels - p, differing + p * group + f, group);
        }
    }
}

} // namespace
} // namespace fk::FK_ISA
