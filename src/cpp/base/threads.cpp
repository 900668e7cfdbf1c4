// Pool of threads.
//
// What there is to do is a Task, linked into a list that sleeping workers are woken for. A thread that joins takes a slot
// and then chunks from one atomic counter until none is left, so a thread that loses its core delays no more than the chunk
// it holds. A single loop is a Task on its caller's stack, who returns when every joined thread has left it; a team's lives as
// long as the team, whose caller returns when the last loop is done.

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
#include <utility>

#include "base/cgroup.hpp"
#include "base/error.hpp"
#include "base/isa.hpp"
#include "base/mover.hpp"
#include "base/tick.hpp"

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

namespace {

// All but `inside` under the pool's mutex.
struct Task {
    ThreadPool::Call call;
    int threads = 1;
    int processor = 0;          // of the caller
    int joined = 1;             // slots handed out; the caller holds slot 0
    std::atomic<int> inside{0}; // workers that have not left yet
    Task* previous = nullptr;   // list links
    Task* following = nullptr;
};

// One parallel_for outside of teams.
struct Loop {
    ThreadPool::Body body;
    void* context;
    int chunks;
    std::atomic<int> next{0};

    void work(int slot) {
        for (int chunk = next.fetch_add(1); chunk < chunks; chunk = next.fetch_add(1)) {
            body(context, chunk, slot);
        }
    }
};

} // namespace

struct ThreadPool::State {
    std::mutex mutex;
    std::condition_variable wake;
    std::condition_variable left; // a worker left a task, or a team's loop is done
    std::atomic<unsigned> posted{0};
    std::atomic<int> runs{0}; // calls of many loops that are under way
    Task* first = nullptr;
    int workers = 0;
    int sleeping = 0;

    void post(Task& task) {
        const std::lock_guard lock(mutex);
        grow(task.threads - 1);
        task.joined = 1;
        task.processor = sched_getcpu();
        task.previous = nullptr;
        task.following = first;
        if (first != nullptr) {
            first->previous = &task;
        }
        first = &task;
        posted.fetch_add(1);
        if (sleeping > 0) {
            wake.notify_all();
        }
    }

    // Under the mutex: nobody joins any more.
    void unlink(Task& task) {
        (task.previous != nullptr ? task.previous->following : first) = task.following;
        if (task.following != nullptr) {
            task.following->previous = task.previous;
        }
    }

    // Under the mutex: a task that still wants threads, or null. Joins it.
    Task* join(int& slot) {
        for (Task* task = first; task != nullptr; task = task->following) {
            if (task->joined < task->threads) {
                slot = task->joined++;
                task->inside.fetch_add(1);
                return task;
            }
        }
        return nullptr;
    }

    void worker() {
        Mover mover;
        std::unique_lock lock(mutex);
        for (;;) {
            int slot = 0;
            if (Task* task = join(slot)) {
                const Call call = task->call; // a team's is another one soon
                const int processor = task->processor;
                lock.unlock();
                if (processor == sched_getcpu()) {
                    mover.leave(processor);
                }
                call.perform(slot);
                lock.lock();
                task->inside.fetch_sub(1);
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
    Loop loop{.body = body, .context = context, .chunks = chunks};
    Task task;
    task.threads = std::min(threads, chunks);
    task.call.hold([&loop](int slot) { loop.work(slot); });
    state.post(task);
    loop.work(0);
    std::unique_lock lock(state.mutex);
    state.unlink(task);
    if (task.inside.load() != 0) {
        lock.unlock();
        spin([&] { return task.inside.load() == 0; }, [] { return awake_after; });
        lock.lock();
        state.left.wait(lock, [&] { return task.inside.load() == 0; });
    }
}

struct Team::Place {
    Task task;
    ThreadPool* pool = nullptr; // that its workers are of
};

Team::Team() : place_(new Place) {}

Team::~Team() {
    // In a forked child there is nobody to wait for.
    if (place_->pool == nullptr || place_->pool != &ThreadPool::instance()) {
        return;
    }
    ThreadPool::State& state = *place_->pool->state_;
    std::unique_lock lock(state.mutex);
    state.left.wait(lock, [&] { return place_->task.inside.load() == 0; });
}

void Team::run_call(int threads, const ThreadPool::Call& call) {
    ThreadPool& pool = ThreadPool::instance();
    if (place_->pool != &pool) { // the first run, or the first one in a forked child
        place_->pool = &pool;
        next_ = done_ = 0;
        sleepers_ = 0;
        place_->task.inside = 0;
    }
    ThreadPool::State& state = *pool.state_;
    Task& task = place_->task;
    task.call = call;
    task.call.team = this;
    task.call.ticket = next_.load();
    task.threads = threads;
    state.post(task);
    task.call.perform(0);
    const std::lock_guard lock(state.mutex);
    state.unlink(task);
}

Team::Member*& Team::Member::here() {
    thread_local Member* member = nullptr;
    return member;
}

void ThreadPool::Call::perform(int slot) const {
    if (team == nullptr) {
        walk(captured, slot);
        return;
    }
    Ticks::of_this_thread().look();
    Team::Member member(*team, ticket, slot);
    Team::Member* const outer = std::exchange(Team::Member::here(), &member);
    walk(captured, slot);
    Team::Member::here() = outer;
}

void Team::Member::loop(int chunks, int threads, ThreadPool::Body body, void* context) {
    const bool whole = threads <= 1 || chunks <= 1; // one member runs it, as one chunk
    const std::uint64_t begin = ticket_;
    const std::uint64_t end = begin + static_cast<std::uint64_t>(whole ? std::min(chunks, 1) : chunks);
    std::uint64_t taken = 0; // chunks, not yet reported as done
    const auto take_chunk = [&] {
        std::uint64_t ticket = team_.next_.load();
        while (ticket < end && !team_.next_.compare_exchange_weak(ticket, ticket + 1)) {
        }
        if (ticket >= end) {
            return false;
        }
        if (whole) {
            for (int chunk = 0; chunk < chunks; ++chunk) {
                body(context, chunk, 0);
            }
        } else {
            body(context, static_cast<int>(ticket - begin), slot_);
        }
        ++taken;
        return true;
    };
    const auto report = [&] {
        if (taken > 0 && team_.done_.fetch_add(taken) + taken == end && team_.sleepers_.load() > 0) {
            team_.wake();
        }
        taken = 0;
    };
    Ticks& ticks = Ticks::of_this_thread();
    LastTime& last = team_.chunks_[loops_++ % team_.chunks_.size()];
    ticket_ = end;
    here() = nullptr; // a loop in a chunk is not the team's
    // What one thread does the caller does, where its data likely are, unless it might be away.
    const bool takes_part = whole ? slot_ == 0 || ticks.contended() : slot_ < threads;
    while (takes_part && ticks.between(last, take_chunk)) {
        if (ticks.contended()) {
            report(); // empty hands
        }
    }
    report();
    team_.wait(end);
    here() = this;
}

void Team::wake() {
    ThreadPool::State& state = *place_->pool->state_;
    const std::lock_guard lock(state.mutex);
    state.left.notify_all();
}

void Team::wait(std::uint64_t end) {
    const auto is_done = [&] { return done_.load() >= end; };
    if (is_done() || spin(is_done, [] { return awake_in_a_run; })) {
        return;
    }
    ThreadPool::State& state = *place_->pool->state_;
    std::unique_lock lock(state.mutex);
    sleepers_.fetch_add(1);
    state.left.wait(lock, is_done);
    sleepers_.fetch_sub(1);
}

} // namespace fk
