// From differing bits, counted for some pixels and a group of filters, to numbers or to bits of the next layer.
#pragma once

#include "ops/binary/leaf.hpp"
#include "ops/binary/mask.inl.hpp"
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

// What all numbers of a call have in common. Plain ones, without scale and with no activation or relu, keep a square of
// them in registers: no call is in their way.
struct Plain {
    vf least;
    explicit Plain(const BinaryLeaf& a) : least(splat(a.activation == FK_ACTIVATION_RELU ? 0.0F : -__builtin_inff())) {}
    vf operator()(const BinaryLeaf&, int, vf y, vf bias) const { return max(least, y + bias); }
};
struct General {
    explicit General(const BinaryLeaf&) {}
    vf operator()(const BinaryLeaf& a, int pixel, vf y, vf bias) const {
        if (a.scale != nullptr) {
            y = y * splat(a.scale[pixel]);
        }
        return activate(y + bias, a.activation, a.slope);
    }
};

// Products and sum are rounded one by one, on every instruction set alike.
template <class Rest>
FK_INLINE vf number(const BinaryLeaf& a, const Rest& rest, int filter, int pixel, const int32_t* differing) {
    const vf y = to_float(sums(a, filter, pixel, differing)) * load(a.alpha + filter);
    return rest(a, pixel, y, load(a.bias + filter));
}

// y with a pixel's filters side by side.
template <class Rest> FK_INLINE void store_rows(const BinaryLeaf& a, int filter, int lanes, int first, int pixels,
                                                const int32_t* differing, int group) {
    const Rest rest(a);
    for (int p = 0; p < pixels; ++p) {
        float* to = a.y + (first + p) * a.y_pixel + filter;
        const vf y = number(a, rest, filter, first + p, differing + p * group);
        if (lanes >= VL) {
            store(to, y);
        } else {
            store_n(to, y, lanes);
        }
    }
}

// y with a filter's pixels side by side.
template <class Rest> FK_INLINE void store_planes(const BinaryLeaf& a, int filter, int lanes, int first, int pixels,
                                                  const int32_t* differing, int group) {
    const Rest rest(a);
    vf square[VL];
    if (pixels >= VL) {
        FK_UNROLL
        for (int p = 0; p < VL; ++p) {
            square[p] = number(a, rest, filter, first + p, differing + p * group);
        }
    } else {
        for (int p = 0; p < VL; ++p) {
            const int at = p < pixels ? p : 0;
            square[p] = number(a, rest, filter, first + at, differing + at * group);
        }
    }
    transpose(square);
    float* to = a.y + filter * a.y_filter + first;
    if (pixels >= VL && lanes >= VL) {
        FK_UNROLL
        for (int lane = 0; lane < VL; ++lane) {
            store(to + lane * a.y_filter, square[lane]);
        }
        return;
    }
    const int wide = pixels < VL ? pixels : VL;
    for (int lane = 0; lane < VL && lane < lanes; ++lane) {
        store_n(to + lane * a.y_filter, square[lane], wide);
    }
}

template <class Rest>
FK_INLINE void store_numbers(const BinaryLeaf& a, int filter, int first, int pixels, const int32_t* differing, int group) {
    for (int f = 0; f < group && filter + f < a.filters; f += VL) {
        const int lanes = a.filters - filter - f;
        if (a.y_filter == 1) {
            store_rows<Rest>(a, filter + f, lanes, first, pixels, differing + f, group);
            continue;
        }
        for (int p = 0; p < pixels; p += VL) {
            store_planes<Rest>(a, filter + f, lanes, first + p, pixels - p, differing + p * group + f, group);
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
                bits |= lane_bits(lt_i(sum, load_i(a.at_least + at))) << v;
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
    const bool plain = a.scale == nullptr && (a.activation == FK_ACTIVATION_NONE || a.activation == FK_ACTIVATION_RELU);
    return plain ? store_numbers<Plain>(a, filter, first, pixels, differing, group)
                 : store_numbers<General>(a, filter, first, pixels, differing, group);
}

} // namespace
} // namespace fk::FK_ISA
