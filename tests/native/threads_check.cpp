// Checks the pool and the control group's reader from C++, where loops can nest. Built and run by test_threads.py.
// Prints what failed; the exit code is the number of failures.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
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

// What a team's walk counts: each chunk of each loop, and whether a loop began before the last one was done.
class Counts {
  public:
    static constexpr int loops = 40, most_chunks = 9;
    static int chunks_of(int loop) { return (loop * 7) % (most_chunks + 1); } // 0 and 1 among them

    void walk(int threads) {
        for (int loop = 0; loop < loops; ++loop) {
            const int sharing = loop % 5 == 0 ? 1 : loop % 3 == 0 ? 2 : threads;
            fk::parallel_for(chunks_of(loop), sharing, [&](int chunk, int slot) { count(loop, chunk, slot, sharing); });
        }
    }
    bool each_once_and_in_order() {
        for (int loop = 0; loop < loops; ++loop) {
            for (int chunk = 0; chunk < most_chunks; ++chunk) {
                sound_ = sound_ && runs_[loop][chunk].exchange(0) == (chunk < chunks_of(loop) ? 1 : 0);
            }
        }
        return sound_;
    }

  private:
    void count(int loop, int chunk, int slot, int sharing) {
        for (int before = 0; loop > 0 && before < chunks_of(loop - 1); ++before) {
            sound_ = sound_ && runs_[loop - 1][before] == 1;
        }
        std::atomic<int> nested{0};
        fk::parallel_for(3, 2, [&](int inner, int) { nested += inner; });
        sound_ = sound_ && nested == 3 && slot >= 0 && slot < sharing && holders_[slot].fetch_add(1) == 0;
        runs_[loop][chunk].fetch_add(1);
        holders_[slot].fetch_sub(1);
    }

    std::atomic<int> runs_[loops][most_chunks] = {};
    std::atomic<int> holders_[16] = {};
    std::atomic<bool> sound_{true};
};

bool team_is_sound(fk::Team& team, Counts& counts, int threads) {
    team.run(threads, [&counts, threads](int) { counts.walk(threads); });
    return counts.each_once_and_in_order();
}

// Teams that come and go while their workers may still be on their way; beside busy neighbours, too.
bool teams_are_sound(int rounds) {
    bool sound = true;
    Counts counts; // outlives the teams
    for (int round = 0; round < rounds; ++round) {
        fk::Team team;
        for (int run = 0; run < 20; ++run) {
            sound = sound && team_is_sound(team, counts, 1 + (round + run) % 5);
        }
    }
    return sound;
}

bool teams_are_sound_beside_busy_threads() {
    std::atomic<bool> stop{false};
    std::vector<std::thread> busy;
    for (int i = 0; i < fk::available_cpus(); ++i) {
        busy.emplace_back([&] {
            while (!stop) {
            }
        });
    }
    Counts counts;
    fk::Team team;
    bool sound = true;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(600); // until processors count as contended
    while (std::chrono::steady_clock::now() < end) {
        sound = team_is_sound(team, counts, 3) && sound;
    }
    stop = true;
    for (std::thread& thread : busy) {
        thread.join();
    }
    return sound;
}

bool sound_in_a_child(std::unique_ptr<fk::Team>& team, Counts& counts) {
    const pid_t child = fork();
    if (child == 0) {
        // The parent's team, too, whose workers do not exist here, and its end.
        const bool sound = loop_is_sound(200, 4) && nested_sum_is_right() && team_is_sound(*team, counts, 4);
        team.reset();
        _exit(sound ? 0 : 1);
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
    expect(teams_are_sound(100), "teams");
    std::vector<std::thread> teams;
    for (int i = 0; i < 6; ++i) {
        teams.emplace_back([&] { bad += teams_are_sound(20) ? 0 : 1; });
    }
    for (std::thread& team : teams) {
        team.join();
    }
    expect(bad == 0, "teams of many callers at once");
    expect(teams_are_sound_beside_busy_threads(), "teams beside busy threads");
    Counts counts;
    auto team = std::make_unique<fk::Team>();
    expect(team_is_sound(*team, counts, 3), "a team");
    expect(sound_in_a_child(team, counts), "loops and teams in a forked child");
    expect(team_is_sound(*team, counts, 3), "the team in the parent after the fork");
    expect(loop_is_sound(100, 4), "loops in the parent after the fork");
    return failures;
}
