// How many threads and pieces a layer's work is worth. Cuts never change a result, only who computes it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/tensor.hpp"
#include "base/threads.hpp"

namespace fk {

// Sharing a loop costs a thread that is awake a few microseconds (the lock, and cache lines that change their owner): each
// must get at least this much to do.
inline constexpr std::int64_t bytes_worth_a_thread = 128 * 1024; // moved, about 4 us from the second-level cache
inline constexpr std::int64_t flops_worth_a_thread = 512 * 1024; // about 4 us of fused multiply-adds
inline constexpr std::int64_t bytes_ops_worth_a_thread = 4 * flops_worth_a_thread; // operations on bytes, four times as fast
inline constexpr int pieces_per_thread = 4;                                        // so that a slow thread delays little

constexpr int threads_for(std::int64_t work, std::int64_t worth_a_thread, int threads) {
    return static_cast<int>(std::clamp<std::int64_t>(work / worth_a_thread, 1, threads));
}

// Into how many bands each of `planes` planes of `rows` rows is cut.
constexpr int bands_for(std::int64_t planes, int rows, int threads) {
    return threads == 1 ? 1 : static_cast<int>(std::clamp<std::int64_t>(ceil_div(pieces_per_thread * threads, planes), 1, rows));
}

// task(plane, begin, end, slot) for every band [begin, end) of the `rows` rows of each plane. The longer bands come first:
// in turns with shorter ones, two threads would do 4 + 4 rows of 14, and 3 + 3.
template <class Task> void parallel_bands(std::int64_t planes, int rows, int bands, int threads, Task&& task) {
    const std::int64_t shortest = rows / bands;
    const std::int64_t longer = rows % bands; // bands, by a row
    parallel_for(static_cast<int>(planes * bands), threads, [&](int index, int slot) {
        const std::int64_t band = index % bands;
        const std::int64_t begin = band * shortest + std::min(band, longer);
        task(index / bands, static_cast<int>(begin), static_cast<int>(begin + shortest + (band < longer ? 1 : 0)), slot);
    });
}

} // namespace fk
