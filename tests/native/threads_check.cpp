// Checks the pool and the control group's reader from C++, where loops can nest. Built and run by test_threads.py.
// Prints what failed; the exit code is the number of failures.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/cgroup.hpp"
#include "base/threads.hpp"

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
    if (!condition) {
        std::printf("failed: %s\n", what);
        ++failures;
    }
}

// Every chunk runs once, slots are below the number of threads, and no two threads hold one slot at a time.
bool loop_is_sound(int chunks, int threads) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(chunks));
    std::vector<std::atomic<int>> holders(static_cast<std::size_t>(threads));
    std::atomic<bool> sound{true};
    fk::parallel_for(chunks, threads, [&](int chunk, int slot) {
        if (slot < 0 || slot >= threads || holders[static_cast<std::size_t>(slot)].fetch_add(1) != 0) {
            sound = false;
            return;
        }
        runs[static_cast<std::size_t>(chunk)].fetch_add(1);
        holders[static_cast<std::size_t>(slot)].fetch_sub(1);
    });
    for (const auto& count : runs) {
        sound = sound && count == 1;
    }
    return sound;
}

bool nested_sum_is_right() {
    std::atomic<long> sum{0};
    fk::parallel_for(8, 4, [&](int outer, int) {
        fk::parallel_for(9, 3, [&](int inner, int) {
            fk::parallel_for(5, 2, [&](int innermost, int) { sum += outer * 100 + inner * 10 + innermost; });
        });
    });
    return sum == 28L * 100 * 45 + 36L * 10 * 40 + 10L * 72;
}

bool sound_in_a_child() {
    const pid_t child = fork();
    if (child == 0) {
        _exit(loop_is_sound(200, 4) && nested_sum_is_right() ? 0 : 1);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

} // namespace

int main(int count, char** arguments) {
    if (count == 4 && std::string(arguments[1]) == "cgroup") {
        std::printf("%.6g\n", fk::cgroup_cpus(arguments[2], arguments[3]));
        return 0;
    }
    for (const int threads : {1, 2, 3, 7, 16}) {
        for (const int chunks : {0, 1, 2, 5, 64, 1000}) {
            expect(loop_is_sound(chunks, threads), "a loop");
        }
    }
    expect(nested_sum_is_right(), "nested loops");
    std::vector<std::thread> callers;
    std::atomic<int> bad{0};
    for (int i = 0; i < 8; ++i) {
        callers.emplace_back([&] {
            for (int round = 0; round < 200; ++round) {
                bad += loop_is_sound(20, 3) ? 0 : 1;
            }
        });
    }
    for (std::thread& caller : callers) {
        caller.join();
    }
    expect(bad == 0, "loops of many callers at once");
    expect(sound_in_a_child(), "loops in a forked child");
    expect(loop_is_sound(100, 4), "loops in the parent after the fork");
    return failures;
}
