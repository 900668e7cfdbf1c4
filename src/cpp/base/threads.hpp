// A pool of threads: the caller takes part, work is taken in chunks, waiting is a short spin and then sleep.
#pragma once

#include <memory>
#include <type_traits>

namespace fk {

// CPUs that this process may use: its affinity mask, cut by the cgroup's quota.
int available_cpus();
// FERKERN_NUM_THREADS or available_cpus(); throws ValueError when the variable is not a number from 1 to 1024.
int default_threads();
// The calling thread's choice (ferkern.config(threads=)) or default_threads().
int chosen_threads();

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

  private:
    struct State;
    ThreadPool();
    ~ThreadPool();
    std::unique_ptr<State> state_;
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
    if (threads <= 1 || chunks <= 1 || Alone::here()) {
        for (int chunk = 0; chunk < chunks; ++chunk) {
            f(chunk, 0);
        }
        return;
    }
    using Function = std::remove_reference_t<F>;
    ThreadPool::instance().run(
        chunks, threads, [](void* context, int chunk, int slot) { (*static_cast<Function*>(context))(chunk, slot); },
        const_cast<std::remove_const_t<Function>*>(&f));
}

} // namespace fk
