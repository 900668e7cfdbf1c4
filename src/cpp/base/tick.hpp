// When the scheduler takes processors away.
//
// Linux takes a processor from a thread that computes, for another that wants it, at a tick of its clock (every 1 to 10 ms), and
// gives it back ticks later. What a thread holds then is held up as long, and with it everyone who waits for it. The ticks are
// known: since Linux 6.4 they stand at whole multiples of their length on the monotonic clock. So where processors are being
// taken, a thread lets a tick pass with empty hands, rather than begin what would not be done by then.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace fk {

// What something took when it was done last, in nanoseconds.
using LastTime = std::atomic<std::uint32_t>;

// Of one thread.
class Ticks {
  public:
    static Ticks& of_this_thread();

    // From time to time: are processors being taken, from this thread or another of the process?
    void look();
    bool contended() const { return contended_; }

    // task(), after the next tick if it would not be done by then. It returns whether it did anything.
    template <class Task> bool between(LastTime& last, Task&& task) {
        if (!contended_) {
            return task();
        }
        let_pass(std::chrono::nanoseconds(last.load(std::memory_order_relaxed)));
        const clock::time_point begin = clock::now();
        const bool done = task();
        if (done) {
            note(last, clock::now() - begin);
        }
        return done;
    }

  private:
    using clock = std::chrono::steady_clock;
    static void let_pass(std::chrono::nanoseconds takes);
    static void note(LastTime& last, std::chrono::nanoseconds took);

    bool contended_ = false;
    clock::time_point counted_{};
    long taken_ = 0; // times that this thread's processor was taken, at counted_
};

} // namespace fk
