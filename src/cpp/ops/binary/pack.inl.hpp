// Signs of floats to bits, VL pixels or VL channels at a time.
//
// From NCHW the bits of a pixel come from as many planes as it has channels: a lane is a pixel, each plane gives one
// comparison and one masked `or`. Reading the floats takes longer than both.
#pragma once

#include "ops/binary/leaf.hpp"
#include "ops/binary/mask.inl.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE uint32_t signs_in_row(const float* x, int channels) {
    uint32_t bits = 0;
    for (int c = 0; c < channels; c += VL) {
        const vf values = c + VL <= channels ? load(x + c) : load_n(x + c, channels - c);
        bits |= lane_bits(lt(values, zero())) << c;
    }
    return bits;
}

FK_INLINE int channels_of_word(const BinaryPackLeaf& a, int word) {
    return a.channels - 32 * word < 32 ? a.channels - 32 * word : 32;
}

// Planes are read along their length, a few side by side: so the prefetcher follows them, where x comes from afar. The
// words that are being filled stay in the first-level cache.
constexpr int planes = 4;
constexpr int most_pixels_packed = 512;

template <int PLANES> FK_INLINE void pack_some(const float* x, int64_t channel_step, int channel, int pixels, int32_t* words) {
    for (int p = 0; p < pixels; p += VL) {
        vi bits = channel == 0 ? splat_i(0) : load_i(words + p);
        FK_UNROLL
        for (int c = 0; c < PLANES; ++c) {
            const float* from = x + c * channel_step + p;
            __builtin_prefetch(from + PLANES * channel_step); // the planes that come next; past the last it does no harm
            const vf values = p + VL <= pixels ? load(from) : load_n(from, pixels - p);
            bits = select_i(lt(values, zero()), bits | splat_i(static_cast<int32_t>(1U << (channel + c))), bits);
        }
        store_i(words + p, bits);
    }
}

FK_INLINE void pack_planes(const BinaryPackLeaf& a, int words) {
    alignas(64) int32_t lanes[most_pixels_packed];
    for (int first = 0; first < a.pixels; first += most_pixels_packed) {
        const int pixels = a.pixels - first < most_pixels_packed ? a.pixels - first : most_pixels_packed;
        for (int word = 0; word < words; ++word) {
            const float* x = a.x + 32 * word * a.channel_step + first;
            const int channels = channels_of_word(a, word);
            int c = 0;
            for (; c + planes <= channels; c += planes) {
                pack_some<planes>(x + c * a.channel_step, a.channel_step, c, pixels, lanes);
            }
            for (; c < channels; ++c) {
                pack_some<1>(x + c * a.channel_step, a.channel_step, c, pixels, lanes);
            }
            uint32_t* to = a.to + static_cast<int64_t>(first) * words + word;
            for (int i = 0; i < pixels; ++i) {
                to[static_cast<int64_t>(i) * words] = static_cast<uint32_t>(lanes[i]);
            }
        }
    }
}

} // namespace

void binary_pack(const BinaryPackLeaf& a);
void binary_pack(const BinaryPackLeaf& a) {
    const int words = (a.channels + 31) / 32;
    if (a.pixel_step == 1 && (a.pixels > 1 || a.channel_step != 1)) {
        return pack_planes(a, words);
    }
    for (int p = 0; p < a.pixels; ++p) {
        for (int word = 0; word < words; ++word) {
            a.to[static_cast<int64_t>(p) * words + word] =
                signs_in_row(a.x + p * a.pixel_step + 32 * word, channels_of_word(a, word));
        }
    }
}

} // namespace fk::FK_ISA
