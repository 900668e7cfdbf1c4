// XOR and popcount with the operations that every machine has, on vectors of four words: a lane is a filter.
//
// Bits are summed in parallel to counts of each byte (at most 8), bytes are added over up to 31 steps, then widened.
#pragma once

#include "ops/binary/finish.inl.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int group = 32; // filters of a tile, the row's block
constexpr int vectors = 4;
constexpr int most_steps = 31; // 31 * 8 < 256
using u32x4 [[gnu::vector_size(16)]] = uint32_t;

FK_INLINE u32x4 bytes_of(u32x4 v) {
    v = v - ((v >> 1) & 0x55555555U);
    v = (v & 0x33333333U) + ((v >> 2) & 0x33333333U);
    return (v + (v >> 4)) & 0x0f0f0f0fU;
}

FK_INLINE u32x4 sum_of_bytes(u32x4 v) {
    v = (v & 0x00ff00ffU) + ((v >> 8) & 0x00ff00ffU);
    return (v & 0xffffU) + (v >> 16);
}

void count(const BinaryLeaf& a, const uint32_t* w, int pixel, int32_t* differing) {
    const uint32_t* x = static_cast<const uint32_t*>(a.x) + a.window_at[pixel];
    u32x4 sum[vectors] = {};
    u32x4 bytes[vectors] = {};
    int steps = 0;
    for (int row = 0; row < a.kh; ++row, x += a.x_row) {
        for (int k = 0; k < a.row_words; ++k, w += group) {
            FK_UNROLL
            for (int v = 0; v < vectors; ++v) {
                u32x4 filters;
                __builtin_memcpy(&filters, w + 4 * v, sizeof filters);
                bytes[v] += bytes_of(filters ^ x[k]);
            }
            if (++steps == most_steps) {
                steps = 0;
                FK_UNROLL
                for (int v = 0; v < vectors; ++v) {
                    sum[v] += sum_of_bytes(bytes[v]);
                    bytes[v] = u32x4{};
                }
            }
        }
    }
    FK_UNROLL
    for (int v = 0; v < vectors; ++v) {
        sum[v] += sum_of_bytes(bytes[v]);
        __builtin_memcpy(differing + 4 * v, &sum[v], sizeof sum[v]);
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
            for (int p = 0; p < pixels; ++p) {
                for (int f = 0; f < group; f += 4 * vectors) {
                    count(a, w + f, first + p, differing + p * group + f);
                }
            }
            finish(a, filter, first, pixels, differing, group);
        }
    }
}

} // namespace fk::FK_ISA
