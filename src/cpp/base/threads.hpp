// A pool of threads: the caller takes part, work is taken in chunks, waiting is a short spin and then sleep.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "base/tick.hpp"

namespace fk {

// CPUs that this process may use: its affinity mask, cut by the cgroup's quota.
int available_cpus();
// FERKERN_NUM_THREADS or available_cpus(); throws ValueError when the variable is not a number from 1 to 1024.
int default_threads();
// The calling thread's choice (ferkern.config(threads=)) or default_threads().
int chosen_threads();

class Team;

class ThreadPool {
  public:
    using Body = void (*)(void* context, int chunk, int slot);

    static ThreadPool& instance();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // Calls body(context, chunk, slot) for every chunk in [0, chunks) on at most `threads` threads, each with its own
    // slot in [0, threads). Returns when all are done. May be called from several threads at once and from inside a
    // body. The body must not throw.
    void run(int chunks, int threads, Body body, void* context);

    // Between these, workers that find nothing to do stay awake for what comes next (for 200 us at most).
    void begin_run();
    void end_run();

    // Internal: replaced in the child after fork(), where the old pool's threads do not exist.
    static void forget_after_fork();

    // Internal: something to do, by value.
    struct Call {
        void (*walk)(const void* captured, int slot) = nullptr;
        alignas(8) unsigned char captured[64] = {};
        Team* team = nullptr;     // whose loops it goes through, and
        std::uint64_t ticket = 0; // the first one's first ticket

        template <class Walk> void hold(const Walk& what) {
            static_assert(std::is_trivially_copyable_v<Walk> && sizeof(Walk) <= sizeof(captured));
            walk = [](const void* held, int slot) { (*static_cast<const Walk*>(held))(slot); };
            std::memcpy(captured, &what, sizeof what);
        }
        void perform(int slot) const;
    };

  private:
    friend class Team;
    struct State;
    ThreadPool();
    ~ThreadPool();
    std::unique_ptr<State> state_;
};

// Threads that go through the same loops side by side. run() calls walk(slot) on the caller (slot 0) and on workers of the pool;
// of every parallel_for that a walk comes to, in the same order and with the same chunks on all of them, each chunk is run once,
// and nobody goes on before all chunks of a loop are done. Everything else in a walk is done by every member.
//
// No member waits for another that holds no chunk: where other processes take one's processor, the rest go on, the caller's
// absence included. So a worker may still be on its way, past loops that are done, when run() has returned and the next one is
// under way: a walk holds what it needs by value (64 bytes), and outside of its loops it reads nothing but what lives as long as
// the team.
class Team {
  public:
    Team();
    ~Team(); // waits for workers on their way
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // One at a time. The walk must not throw.
    template <class Walk> void run(int threads, const Walk& walk) {
        ThreadPool::Call call;
        call.hold(walk);
        run_call(threads, call);
    }

    // The calling thread's place in the walk that it is on; null in a chunk.
    class Member {
      public:
        Member(Team& team, std::uint64_t ticket, int slot) : team_(team), ticket_(ticket), slot_(slot) {}
        void loop(int chunks, int threads, ThreadPool::Body body, void* context);
        static Member*& here();

      private:
        Team& team_;
        std::uint64_t ticket_; // of the first chunk of the next loop
        int slot_;
        std::size_t loops_ = 0; // that it came to
    };

  private:
    struct Place;
    void run_call(int threads, const ThreadPool::Call& call);
    void wait(std::uint64_t end);
    void wake();

    // The chunks of all loops of all runs are numbered through: a loop's tickets follow the last one's, and it is done when as
    // many chunks are.
    alignas(64) std::atomic<std::uint64_t> next_{0};
    std::atomic<std::uint64_t> done_{0};
    std::atomic<int> sleepers_{0};
    std::array<LastTime, 256> chunks_{}; // of a walk's loops
    alignas(64) std::unique_ptr<Place> place_;
};

// Keeps the pool's workers awake from one loop to the next, where there are workers at all.
class KeepAwake {
  public:
    explicit KeepAwake(int threads) : pool_(threads > 1 ? &ThreadPool::instance() : nullptr) {
        if (pool_ != nullptr) {
            pool_->begin_run();
        }
    }
    ~KeepAwake() {
        if (pool_ != nullptr) {
            pool_->end_run();
        }
    }
    KeepAwake(const KeepAwake&) = delete;
    KeepAwake& operator=(const KeepAwake&) = delete;

  private:
    ThreadPool* pool_;
};

// While it lives, loops of the calling thread are run by that thread alone: it is one of several that do the same work side by
// side.
class Alone {
  public:
    explicit Alone(bool alone) : before_(here()) { here() = before_ || alone; }
    ~Alone() { here() = before_; }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
    static bool& here();

  private:
    bool before_;
};

// parallel_for(chunks, threads, [&](int chunk, int slot) { ... });
template <class F> void parallel_for(int chunks, int threads, F&& f) {
    using Function = std::remove_reference_t<F>;
    const ThreadPool::Body body = [](void* context, int chunk, int slot) { (*static_cast<Function*>(context))(chunk, slot); };
    void* const context = const_cast<std::remove_const_t<Function>*>(&f);
    if (Team::Member* member = Team::Member::here()) {
        member->loop(chunks, threads, body, context);
    } else if (threads <= 1 || chunks <= 1 || Alone::here()) {
        for (int chunk = 0; chunk < chunks; ++chunk) {
            f(chunk, 0);
        }
    } else {
        ThreadPool::instance().run(chunks, threads, body, context);
    }
}

} // namespace fk
