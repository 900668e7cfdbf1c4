// Where a woken thread runs.
#pragma once

#include <sched.h>

#include <chrono>

namespace fk {

// A thread that is woken where other processes keep every processor busy may come to the one that its waker runs on, and the
// scheduler leaves both there: they share what one of them had. It moves to another that it may use, where there is one.
class Mover {
  public:
    void leave(int processor) {
        const auto now = std::chrono::steady_clock::now();
        cpu_set_t allowed;
        if (now - last_ < at_least || sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
            return;
        }
        last_ = now;
        cpu_set_t others = allowed;
        CPU_CLR(processor, &others);
        if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0) {
            sched_setaffinity(0, sizeof allowed, &allowed);
        }
    }

  private:
    static constexpr std::chrono::milliseconds at_least{1}; // from one move to the next
    std::chrono::steady_clock::time_point last_{};
};

} // namespace fk
