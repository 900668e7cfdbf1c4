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

// task(plane, begin, end, slot) for every band [begin, end) of the `rows` rows of each plane.
template <class Task> void parallel_bands(std::int64_t planes, int rows, int bands, int threads, Task&& task) {
    parallel_for(static_cast<int>(planes * bands), threads, [&](int index, int slot) {
        const std::int64_t band = index % bands;
        task(index / bands, static_cast<int>(rows * band / bands), static_cast<int>(rows * (band + 1) / bands), slot);
    });
}

} // namespace fk
