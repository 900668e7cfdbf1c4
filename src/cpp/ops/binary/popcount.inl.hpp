// XOR and VPOPCNTD: a lane is a filter, a step compares one word (32 channels) of a pixel with those of 16 filters.
//
// 512 bits cost one xor, one popcount and one add, all in registers: two vectors of filters times eight pixels make
// sixteen chains, and a step loads two vectors and broadcasts eight words for its 48 instructions. Carry-save adders
// would save nothing here: each takes one popcount and one add away and costs two VPTERNLOG.
#pragma once

#include "ops/binary/finish.inl.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int group = 32; // filters of a tile, the row's block

template <int P> void count(const BinaryLeaf& a, const uint32_t* w, int first, int last, int32_t* differing) {
    const uint32_t* x[P];
    FK_UNROLL
    for (int p = 0; p < P; ++p) { // pixels past the last repeat it; their counts are not used
        x[p] = static_cast<const uint32_t*>(a.x) + a.window_at[first + p < last ? first + p : last];
    }
    __m512i sum[P][2];
    FK_UNROLL
    for (int p = 0; p < P; ++p) {
        sum[p][0] = sum[p][1] = _mm512_setzero_si512();
    }
    for (int row = 0; row < a.kh; ++row) {
        for (int64_t k = 0; k < a.row_words; ++k, w += group) {
            const __m512i w0 = _mm512_loadu_si512(w);
            const __m512i w1 = _mm512_loadu_si512(w + 16);
            FK_UNROLL
            for (int p = 0; p < P; ++p) {
                const __m512i bits = _mm512_set1_epi32(static_cast<int32_t>(x[p][k]));
                sum[p][0] = _mm512_add_epi32(sum[p][0], _mm512_popcnt_epi32(_mm512_xor_si512(bits, w0)));
                sum[p][1] = _mm512_add_epi32(sum[p][1], _mm512_popcnt_epi32(_mm512_xor_si512(bits, w1)));
            }
        }
        FK_UNROLL
        for (int p = 0; p < P; ++p) {
            x[p] += a.x_row;
        }
    }
    FK_UNROLL
    for (int p = 0; p < P; ++p) {
        _mm512_storeu_si512(differing + p * group, sum[p][0]);
        _mm512_storeu_si512(differing + p * group + 16, sum[p][1]);
    }
}

} // namespace

void binary_popcount(const BinaryLeaf& a);
void binary_popcount(const BinaryLeaf& a) {
    alignas(64) int32_t differing[chunk * group];
    const int64_t w_group = static_cast<int64_t>(a.kh) * a.row_words * group;
    const uint32_t* w = static_cast<const uint32_t*>(a.w);
    for (int filter = 0; filter < a.filters; filter += group, w += w_group) {
        for (int first = a.begin; first < a.end; first += chunk) {
            const int pixels = a.end - first < chunk ? a.end - first : chunk;
            call_for_planes(a, filter, first, group);
            for (int p = 0; p < pixels; p += 8) {
                if (pixels - p == 1) {
                    count<1>(a, w, first + p, first + p, differing + p * group);
                } else if (pixels - p <= 4) {
                    count<4>(a, w, first + p, a.end - 1, differing + p * group);
                } else {
                    count<8>(a, w, first + p, a.end - 1, differing + p * group);
                }
            }
            finish(a, filter, first, pixels, differing, group);
        }
    }
}

} // namespace fk::FK_ISA
