// Without a popcount instruction: differing bits of four channels by one table lookup in registers (VPSHUFB).
//
// A lane is a filter: a byte of w holds four of its channels. The four channels of a pixel choose one of sixteen tables
// (entry v: bits in which v differs from them), broadcast from the first-level cache, and VPSHUFB looks up what every
// filter has there: the xor is in the table. 128 bits (AVX2) cost one lookup and one add; the usual xor, two halves,
// two lookups, add takes eight instructions for 256 and carry-save adders before it still more than five.
//
// Counts are bytes for up to 63 steps (63 * 4 < 256), then 16 bits wide, and 32 where a filter is longer than that holds.
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
FK_INLINE Bytes table_at(const uint8_t* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
FK_INLINE Bytes add_looked_up(Bytes sum, Bytes table, Bytes at) { return _mm512_add_epi8(sum, _mm512_shuffle_epi8(table, at)); }
FK_INLINE void add_to(uint16_t* wide, Bytes sum) {
    FK_UNROLL
    for (int half = 0; half < 2; ++half, wide += 32) {
        const __m256i part = half == 0 ? _mm512_castsi512_si256(sum) : _mm512_extracti64x4_epi64(sum, 1);
        _mm512_storeu_si512(wide, _mm512_add_epi16(_mm512_loadu_si512(wide), _mm512_cvtepu8_epi16(part)));
    }
}
#else
using Bytes = __m256i;
constexpr int byte_lanes = 32;
constexpr int most_filters = 2;
constexpr int most_pixels = 4;
FK_INLINE Bytes no_bytes() { return _mm256_setzero_si256(); }
FK_INLINE Bytes load_bytes(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
FK_INLINE Bytes table_at(const uint8_t* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
FK_INLINE Bytes add_looked_up(Bytes sum, Bytes table, Bytes at) { return _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, at)); }
FK_INLINE void add_to(uint16_t* wide, Bytes sum) {
    FK_UNROLL
    for (int half = 0; half < 2; ++half, wide += 16) {
        const __m128i part = half == 0 ? _mm256_castsi256_si128(sum) : _mm256_extracti128_si256(sum, 1);
        auto* to = reinterpret_cast<__m256i*>(wide);
        _mm256_storeu_si256(to, _mm256_add_epi16(_mm256_loadu_si256(to), _mm256_cvtepu8_epi16(part)));
    }
}
#endif

struct Tables {
    alignas(64) uint8_t of[16][16];
    constexpr Tables() : of{} {
        for (int x = 0; x < 16; ++x) {
            for (int w = 0; w < 16; ++w) {
                const int differing = x ^ w;
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

// Adds the bits that differ in a piece to wide[P][F][lanes].
template <int F, int P> static inline __attribute__((noinline)) void count(const Piece& piece, const uint8_t* const* from,
                                                                           int64_t at, const uint8_t* w, uint16_t* wide) {
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
                table[p] = table_at(&tables.of[0][0] + x[p][k]);
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
            add_to(wide + (p * F + f) * byte_lanes, sum[p][f]);
        }
    }
}

void widen(uint16_t* wide, int count, int32_t* differing) {
    for (int i = 0; i < count; ++i) {
        differing[i] += wide[i];
        wide[i] = 0;
    }
}

template <int F, int P> void tile(const BinaryLeaf& a, const uint8_t* w, int64_t w_group, int first, int32_t* differing) {
    const uint8_t* x[P];
    for (int p = 0; p < P; ++p) { // pixels past the last repeat it; their counts are not used
        const int pixel = first + p < a.end ? first + p : a.end - 1;
        x[p] = static_cast<const uint8_t*>(a.x) + 8 * static_cast<int64_t>(a.window_at[pixel]);
    }
    constexpr int counts = P * F * byte_lanes;
    alignas(64) uint16_t wide[counts] = {};
    __builtin_memset(differing, 0, sizeof(int32_t) * counts);
    // Short rows of the window together, long ones in equal parts.
    const int row_steps = 8 * a.row_words;
    const int parts = (row_steps + most_steps - 1) / most_steps;
    const int part = (a.row_words + parts - 1) / parts * 8;
    const int most_rows = parts > 1 ? 1 : most_steps / row_steps;
    int widened = 0;
    for (int row = 0; row < a.kh; row += most_rows) {
        const int rows = a.kh - row < most_rows ? a.kh - row : most_rows;
        for (int begin = 0; begin < row_steps; begin += part) {
            const int steps = row_steps - begin < part ? row_steps - begin : part;
            const Piece piece{rows, steps, 8 * a.x_row, w_group};
            count<F, P>(piece, x, 8 * a.x_row * row + begin, w + (static_cast<int64_t>(row) * row_steps + begin) * byte_lanes,
                        wide);
            if (++widened == most_widened) {
                widen(wide, counts, differing);
                widened = 0;
            }
        }
    }
    widen(wide, counts, differing);
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
