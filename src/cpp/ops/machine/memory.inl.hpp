// Through memory from front to back, a vector at a time.
#pragma once

#include "ops/machine/leaf.hpp"

namespace fk::FK_ISA {
namespace {

constexpr int streams = 8; // sums side by side; machine_piece is a multiple of streams * VL

// What memory holds may have changed.
FK_INLINE void forget_memory() { __asm__ volatile("" : : : "memory"); }

} // namespace

void machine_read(const MachineLeaf& a);
void machine_read(const MachineLeaf& a) {
    vi sum[streams];
    FK_UNROLL
    for (vi& stream : sum) {
        stream = splat_i(0);
    }
    for (int64_t step = 0; step < a.steps; ++step) {
        forget_memory();
        for (int64_t at = 0; at < a.count; at += int64_t(streams) * VL) {
            FK_UNROLL
            for (int i = 0; i < streams; ++i) {
                sum[i] = sum[i] + load_i(a.from + at + int64_t(i) * VL);
            }
        }
    }
    FK_UNROLL
    for (vi& stream : sum) {
        unknown(stream);
    }
}

// Ordinary stores: a line that is written is read first where it is not in the cache, and that does not count.
void machine_copy(const MachineLeaf& a);
void machine_copy(const MachineLeaf& a) {
    const int32_t* const from = a.from;
    int32_t* const to = a.to; // what is stored there might be the leaf, as far as the compiler knows
    const int64_t count = a.count;
    for (int64_t step = 0; step < a.steps; ++step) {
        forget_memory();
        for (int64_t at = 0; at < count; at += int64_t(streams) * VL) {
            FK_UNROLL
            for (int i = 0; i < streams; ++i) {
                store_i(to + at + int64_t(i) * VL, load_i(from + at + int64_t(i) * VL));
            }
        }
    }
}

} // namespace fk::FK_ISA
