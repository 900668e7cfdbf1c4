#include "base/tick.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <ctime>

namespace fk {

namespace {

using std::chrono::nanoseconds;

nanoseconds read_tick() {
    timespec length{.tv_sec = 0, .tv_nsec = 4'000'000};
#if defined(CLOCK_MONOTONIC_COARSE)
    clock_getres(CLOCK_MONOTONIC_COARSE, &length); // that clock goes on at ticks
#endif
    return std::chrono::seconds(length.tv_sec) + nanoseconds(length.tv_nsec);
}

nanoseconds tick() {
    static const nanoseconds length = read_tick();
    return length;
}

// A thread's turn on a busy processor lasts 3 ms, in whole ticks. From one count to the next there are so many turns, and that
// often must a processor have been taken: three busy neighbours take it every fourth turn, an idle machine's own threads less.
constexpr std::chrono::milliseconds shortest_turn{4};
constexpr int turns_counted = 20, taken_at_least = 5;

// From a tick until a thread that is to go has gone: the interrupts of virtual machines come late.
constexpr std::chrono::microseconds lateness{60};

// What takes a larger part of a tick cannot be kept clear of them; or it was itself interrupted.
constexpr int least_part = 4;

} // namespace

Ticks& Ticks::of_this_thread() {
    thread_local Ticks ticks;
    return ticks;
}

void Ticks::look() {
    static std::atomic<clock::rep> until{0}; // processors are being taken
    const clock::time_point now = clock::now();
#if defined(RUSAGE_THREAD)
    const nanoseconds between_counts = turns_counted * std::max<nanoseconds>(tick(), shortest_turn);
    rusage usage{};
    if (now - counted_ >= between_counts && getrusage(RUSAGE_THREAD, &usage) == 0) {
        const auto times = (now - counted_) / between_counts;
        if (counted_ != clock::time_point{} && usage.ru_nivcsw - taken_ >= taken_at_least * times) {
            until.store((now + 2 * between_counts).time_since_epoch().count(), std::memory_order_relaxed);
        }
        taken_ = usage.ru_nivcsw;
        counted_ = now;
    }
#endif
    contended_ = now.time_since_epoch().count() < until.load(std::memory_order_relaxed);
}

void Ticks::let_pass(nanoseconds takes) {
    const clock::time_point now = clock::now();
    const nanoseconds left = tick() - now.time_since_epoch() % tick();
    if (takes + takes / 8 > left) {
        const clock::time_point end = now + left + std::min<nanoseconds>(lateness, tick() / 16);
        while (clock::now() < end) {
        }
    }
}

void Ticks::note(LastTime& last, nanoseconds took) {
    if (took < tick() / least_part) {
        last.store(static_cast<std::uint32_t>(took.count()), std::memory_order_relaxed);
    }
}

} // namespace fk
