// Pool of threads.
//
// A loop is a Job on its caller's stack, linked into a list that sleeping workers are woken for. A thread that joins
// takes a slot and then chunks from one atomic counter until none is left, so a thread that loses its core delays no
// more than the chunk it holds. The caller returns when every joined thread has left the job.

#include "base/threads.hpp"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/cgroup.hpp"
#include "base/error.hpp"
#include "base/isa.hpp"

namespace fk {

namespace {

void pause() {
#if FK_X86
    __builtin_ia32_pause();
#endif
}

// Waking a thread takes 5 to 50 us (most on virtual machines, whose idle processors are halted), a layer of a small network
// takes 5 to 50 us too: workers stay awake while somebody runs a network, and a little longer, for the next call. Not much
// longer than a layer: where other processes want the processor, a caller that lost it comes back to a worker with time left.
constexpr std::chrono::microseconds awake_in_a_run{200};
constexpr std::chrono::microseconds awake_after{50};

// Waits until ready() or until a time has passed, without giving up the processor; true when ready.
template <class Ready, class Patience> bool spin(Ready&& ready, Patience&& patience) {
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
        for (int i = 0; i < 32; ++i) {
            if (ready()) {
                return true;
            }
            pause();
        }
        if (std::chrono::steady_clock::now() - begin > patience()) {
            return ready();
        }
    }
}

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

struct Job {
    ThreadPool::Body body;
    void* context;
    int chunks;
    int threads;
    int processor = sched_getcpu(); // of the caller
    std::atomic<int> next{0};
    std::atomic<int> joined{1}; // slots handed out; the caller holds slot 0
    std::atomic<int> inside{0}; // workers that have not left yet
    Job* previous = nullptr;    // list links, under the pool's mutex
    Job* following = nullptr;

    void work(int slot) {
        for (int chunk = next.fetch_add(1); chunk < chunks; chunk = next.fetch_add(1)) {
            body(context, chunk, slot);
        }
    }
};

} // namespace

int available_cpus() {
    int cpus = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
        cpus = std::max(1, CPU_COUNT(&mask));
    }
    const double quota = cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota > 0 ? std::max(1, std::min(cpus, static_cast<int>(std::ceil(quota)))) : cpus;
}

int default_threads() {
    static const int threads = [] {
        const char* text = std::getenv("FERKERN_NUM_THREADS");
        if (text == nullptr || *text == '\0') {
            return available_cpus();
        }
        char* end = nullptr;
        const long value = std::strtol(text, &end, 10);
        require(*end == '\0' && value >= 1 && value <= 1024, "FERKERN_NUM_THREADS='", text,
                "': expected a number from 1 to 1024");
        return static_cast<int>(value);
    }();
    return threads;
}

int chosen_threads() {
    const int chosen = current_choice().threads;
    return chosen > 0 ? chosen : default_threads();
}

struct ThreadPool::State {
    std::mutex mutex;
    std::condition_variable wake;
    std::condition_variable left; // a worker left a job
    std::atomic<unsigned> posted{0};
    std::atomic<int> runs{0}; // networks that are running
    Job* first = nullptr;
    int workers = 0;
    int sleeping = 0;

    // Under the mutex: a job that still wants threads, or null. Joins it.
    Job* join(int& slot) {
        for (Job* job = first; job != nullptr; job = job->following) {
            if (job->next.load(std::memory_order_relaxed) < job->chunks && job->joined.load() < job->threads) {
                slot = job->joined.fetch_add(1);
                job->inside.fetch_add(1);
                return job;
            }
        }
        return nullptr;
    }

    void worker() {
        Mover mover;
        std::unique_lock lock(mutex);
        for (;;) {
            int slot = 0;
            if (Job* job = join(slot)) {
                lock.unlock();
                if (job->processor == sched_getcpu()) {
                    mover.leave(job->processor);
                }
                job->work(slot);
                lock.lock();
                job->inside.fetch_sub(1);
                left.notify_all();
                continue;
            }
            const unsigned seen = posted.load();
            lock.unlock();
            spin([&] { return posted.load(std::memory_order_relaxed) != seen; },
                 [&] { return runs.load(std::memory_order_relaxed) > 0 ? awake_in_a_run : awake_after; });
            lock.lock();
            if (posted.load() == seen) {
                ++sleeping;
                wake.wait(lock, [&] { return posted.load() != seen; });
                --sleeping;
            }
        }
    }

    void grow(int wanted) {
        while (workers < wanted) {
            try {
                std::thread([this] { worker(); }).detach();
            } catch (const std::system_error&) {
                return; // the machine gives no more threads: those there are, and the caller, do the work
            }
            ++workers;
        }
    }
};

ThreadPool::ThreadPool() : state_(new State) {}
ThreadPool::~ThreadPool() = default;

namespace {
std::atomic<ThreadPool*> the_pool{nullptr};
std::mutex creation;
} // namespace

void ThreadPool::forget_after_fork() {
    // The parent's threads do not exist here and its mutexes may be held: leave them, begin anew at the next loop.
    the_pool.store(nullptr);
    new (&creation) std::mutex;
}

ThreadPool& ThreadPool::instance() {
    ThreadPool* pool = the_pool.load(std::memory_order_acquire);
    if (pool != nullptr) {
        return *pool;
    }
    const std::lock_guard lock(creation);
    pool = the_pool.load();
    if (pool == nullptr) {
        // Never destroyed: detached workers wait on it until the process ends.
        pool = new ThreadPool;
        static const int registered = pthread_atfork(nullptr, nullptr, &ThreadPool::forget_after_fork);
        static_cast<void>(registered);
        the_pool.store(pool, std::memory_order_release);
    }
    return *pool;
}

bool& Alone::here() {
    thread_local bool alone = false;
    return alone;
}

void ThreadPool::begin_run() { state_->runs.fetch_add(1, std::memory_order_relaxed); }
void ThreadPool::end_run() { state_->runs.fetch_sub(1, std::memory_order_relaxed); }

void ThreadPool::run(int chunks, int threads, Body body, void* context) {
    State& state = *state_;
    Job job{.body = body, .context = context, .chunks = chunks, .threads = std::min(threads, chunks)};
    {
        const std::lock_guard lock(state.mutex);
        state.grow(job.threads - 1);
        job.following = state.first;
        if (state.first != nullptr) {
            state.first->previous = &job;
        }
        state.first = &job;
        state.posted.fetch_add(1);
        if (state.sleeping > 0) {
            state.wake.notify_all();
        }
    }
    job.work(0);
    // Unlink first, so that nobody joins any more; then wait for those inside.
    std::unique_lock lock(state.mutex);
    (job.previous != nullptr ? job.previous->following : state.first) = job.following;
    if (job.following != nullptr) {
        job.following->previous = job.previous;
    }
    if (job.inside.load() != 0) {
        lock.unlock();
        spin([&] { return job.inside.load() == 0; }, [] { return awake_after; });
        lock.lock();
        state.left.wait(lock, [&] { return job.inside.load() == 0; });
    }
}

} // namespace fk
