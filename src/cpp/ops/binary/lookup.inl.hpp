// Without a popcount instruction: differing bits of four channels by one table lookup in registers (VPSHUFB).
//
// A lane is a filter: a byte of w holds four of its channels. The four channels of a pixel choose one of sixteen tables
// (entry v: bits in which v differs from them), and VPSHUFB looks up what every filter has there: the xor is in the table.
// 128 bits (AVX2) cost one lookup and one add; the usual xor, two halves, two lookups, two adds take eight instructions for
// 256, and carry-save adders before it still more than five.
//
// Counts are bytes for up to 56 steps (63 * 4 < 256), then 16 bits wide, and 32 where a filter is longer than that holds.
#pragma once

#include "ops/binary/finish.inl.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
using Bytes = __m512i;
constexpr int byte_lanes = 64;
constexpr int most_filters = 2; // vectors of a tile; eight pixels
constexpr int most_pixels = 8;
FK_INLINE Bytes no_bytes() { return _mm512_setzero_si512(); }
FK_INLINE Bytes load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
FK_INLINE Bytes add_looked_up(Bytes sum, Bytes table, Bytes at) { return _mm512_add_epi8(sum, _mm512_shuffle_epi8(table, at)); }
FK_INLINE void widen(uint16_t* wide, Bytes sum, bool first) {
    const Bytes low = _mm512_unpacklo_epi8(sum, no_bytes());
    const Bytes high = _mm512_unpackhi_epi8(sum, no_bytes());
    _mm512_store_si512(wide, first ? low : _mm512_add_epi16(low, _mm512_load_si512(wide)));
    _mm512_store_si512(wide + 32, first ? high : _mm512_add_epi16(high, _mm512_load_si512(wide + 32)));
}
#else
using Bytes = __m256i;
constexpr int byte_lanes = 32;
constexpr int most_filters = 2;
constexpr int most_pixels = 4;
FK_INLINE Bytes no_bytes() { return _mm256_setzero_si256(); }
FK_INLINE Bytes load_bytes(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
FK_INLINE Bytes add_looked_up(Bytes sum, Bytes table, Bytes at) { return _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, at)); }
FK_INLINE void widen(uint16_t* wide, Bytes sum, bool first) {
    auto* to = reinterpret_cast<__m256i*>(wide);
    const Bytes low = _mm256_unpacklo_epi8(sum, no_bytes());
    const Bytes high = _mm256_unpackhi_epi8(sum, no_bytes());
    _mm256_store_si256(to, first ? low : _mm256_add_epi16(low, _mm256_load_si256(to)));
    _mm256_store_si256(to + 1, first ? high : _mm256_add_epi16(high, _mm256_load_si256(to + 1)));
}
#endif

// Each as often as VPSHUFB looks it up side by side. Broadcast from memory instead: 177 us for 148 (avx512, 128 channels).
struct Tables {
    alignas(64) uint8_t of[16][byte_lanes] = {};
    constexpr Tables() {
        for (int x = 0; x < 16; ++x) {
            for (int w = 0; w < byte_lanes; ++w) {
                const int differing = x ^ (w & 15);
                of[x][w] = static_cast<uint8_t>((differing & 1) + (differing >> 1 & 1) + (differing >> 2 & 1) + (differing >> 3));
            }
        }
    }
};
constexpr Tables tables;

constexpr int most_steps = 56;    // of 63, in whole words of 8
constexpr int most_widened = 292; // 292 * 56 * 4 < 65536

// A piece of a window: steps whose counts fit bytes.
struct Piece {
    int rows, steps; // steps of each row
    int64_t x_row;   // bytes
    int64_t w_group; // bytes from one vector of filters to the next
};

// Adds the bits that differ in a piece to wide[P][F][lanes]; `first`: wide holds nothing yet.
template <int F, int P> static inline __attribute__((noinline)) void
count(const Piece& piece, const uint8_t* const* from, int64_t at, const uint8_t* w, uint16_t* wide, bool first) {
    const uint8_t* x[P];
    Bytes sum[P][F];
    FK_UNROLL
    for (int p = 0; p < P; ++p) {
        x[p] = from[p] + at;
        FK_UNROLL
        for (int f = 0; f < F; ++f) {
            sum[p][f] = no_bytes();
        }
    }
    for (int row = 0; row < piece.rows; ++row) {
        _Pragma("GCC unroll 4") for (int64_t k = 0; k < piece.steps; ++k, w += byte_lanes) {
            Bytes table[P];
            FK_UNROLL
            for (int p = 0; p < P; ++p) {
                table[p] = load_bytes(&tables.of[0][0] + static_cast<int64_t>(x[p][k]) * (byte_lanes / 16));
            }
            FK_UNROLL
            for (int f = 0; f < F; ++f) {
                const Bytes filters = load_bytes(w + f * piece.w_group);
                FK_UNROLL
                for (int p = 0; p < P; ++p) {
                    sum[p][f] = add_looked_up(sum[p][f], table[p], filters);
                }
            }
        }
        FK_UNROLL
        for (int p = 0; p < P; ++p) {
            x[p] += piece.x_row;
        }
    }
    FK_UNROLL
    for (int p = 0; p < P; ++p) {
        FK_UNROLL
        for (int f = 0; f < F; ++f) {
            widen(wide + (p * F + f) * byte_lanes, sum[p][f], first);
        }
    }
}

// Counts of 16 bits to those of 32, from the order that unpacking left: of each 16 lanes the first eight are in the lower half.
FK_INLINE void add_counts(const uint16_t* wide, int vectors, int32_t* differing, bool first) {
    for (int v = 0; v < vectors; ++v, wide += byte_lanes, differing += byte_lanes) {
        for (int i = 0; i < byte_lanes; i += 16) {
            for (int j = 0; j < 8; ++j) {
                differing[i + j] = (first ? 0 : differing[i + j]) + wide[i / 2 + j];
            }
            for (int j = 0; j < 8; ++j) {
                differing[i + 8 + j] = (first ? 0 : differing[i + 8 + j]) + wide[byte_lanes / 2 + i / 2 + j];
            }
        }
    }
}

template <int F, int P> void tile(const BinaryLeaf& a, const uint8_t* w, int64_t w_group, int first, int32_t* differing) {
    const uint8_t* x[P];
    for (int p = 0; p < P; ++p) { // pixels past the last repeat it; their counts are not used
        const int pixel = first + p < a.end ? first + p : a.end - 1;
        x[p] = static_cast<const uint8_t*>(a.x) + 8 * static_cast<int64_t>(a.window_at[pixel]);
    }
    alignas(64) uint16_t wide[P * F * byte_lanes];
    // Short rows of the window together, long ones in equal parts.
    const int row_steps = 8 * a.row_words;
    const int parts = (row_steps + most_steps - 1) / most_steps;
    const int part = (a.row_words + parts - 1) / parts * 8;
    const int most_rows = parts > 1 ? 1 : most_steps / row_steps;
    int widened = 0;
    bool first_counts = true;
    for (int row = 0; row < a.kh; row += most_rows) {
        const int rows = a.kh - row < most_rows ? a.kh - row : most_rows;
        for (int begin = 0; begin < row_steps; begin += part) {
            const int steps = row_steps - begin < part ? row_steps - begin : part;
            const Piece piece{rows, steps, 8 * a.x_row, w_group};
            const uint8_t* from = w + (static_cast<int64_t>(row) * row_steps + begin) * byte_lanes;
            count<F, P>(piece, x, 8 * a.x_row * row + begin, from, wide, widened == 0);
            if (++widened == most_widened) {
                add_counts(wide, P * F, differing, first_counts);
                first_counts = false;
                widened = 0;
            }
        }
    }
    if (widened > 0) {
        add_counts(wide, P * F, differing, first_counts);
    }
}

template <int F> void tiles(const BinaryLeaf& a, const uint8_t* w, int64_t w_group, int filter) {
    constexpr int group = F * byte_lanes;
    alignas(64) int32_t differing[chunk * group];
    for (int first = a.begin; first < a.end; first += chunk) {
        const int pixels = a.end - first < chunk ? a.end - first : chunk;
        call_for_planes(a, filter, first, group);
        for (int p = 0; p < pixels; p += most_pixels) {
            if (pixels - p == 1) {
                tile<F, 1>(a, w, w_group, first + p, differing + p * group);
            } else {
                tile<F, most_pixels>(a, w, w_group, first + p, differing + p * group);
            }
        }
        finish(a, filter, first, pixels, differing, group);
    }
}

} // namespace

void binary_lookup(const BinaryLeaf& a);
void binary_lookup(const BinaryLeaf& a) {
    const int64_t w_group = static_cast<int64_t>(a.kh) * a.row_words * 8 * byte_lanes;
    const uint8_t* w = static_cast<const uint8_t*>(a.w);
    for (int filter = 0; filter < a.filters;) {
        if (a.filters - filter > byte_lanes) {
            tiles<most_filters>(a, w, w_group, filter);
            filter += most_filters * byte_lanes;
            w += most_filters * w_group;
        } else {
            tiles<1>(a, w, w_group, filter);
            filter += byte_lanes;
            w += w_group;
        }
    }
}

} // namespace fk::FK_ISA
