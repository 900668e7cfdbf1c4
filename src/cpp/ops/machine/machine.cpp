#include "ops/machine/machine.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/cpu.hpp"
#include "base/tensor.hpp"
#include "base/threads.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const MachineLeaf&);                                                                                           \
    }
#include "ops/machine/kernels.inc"
#undef FK_KERNEL

namespace machine {

namespace {
bool has_bf16(const Shape& /*shape*/) { return cpu_features().avx512bf16; }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/machine/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("machine", rows);

const KernelRow& row_named(std::string_view name, bool memory) {
    const Choice& choice = current_choice();
    for (const KernelRow& row : rows) {
        const bool isa_fits = choice.exact ? row.isa == choice.isa : row.isa <= choice.isa;
        if (name == row.name && isa_fits && (row.block == 0) == memory && row.eligible({})) {
            note_kernel("machine", row.name, row.isa);
            return row;
        }
    }
    throw ValueError(message("machine: nothing named '", name, "' is measured ", choice.exact ? "on exactly " : "up to ",
                             isa_name(choice.isa)));
}

// Of the steps that f does in one second, the best of so many runs of `seconds` in all: each so short that some are not
// interrupted.
template <class F> double best_rate(int runs, double seconds, std::int64_t steps, const F& f) {
    const auto timed = [&] {
        const auto begin = std::chrono::steady_clock::now();
        f(steps);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    double best = timed();
    while (best < seconds / runs) {
        steps *= 2;
        best = timed();
    }
    for (int run = 1; run < runs; ++run) {
        best = std::min(best, timed());
    }
    return double(steps) / best;
}

void check_seconds(double seconds) {
    require(seconds >= 1e-3 && seconds <= 60, "seconds must be from 0.001 to 60, is ", seconds);
}
} // namespace

Peak measure(std::string_view name, double seconds) {
    check_seconds(seconds);
    const KernelRow& row = row_named(name, false);
    const auto run = [&](std::int64_t steps) { row.function({.steps = steps, .from = nullptr, .to = nullptr, .count = 0}); };
    return {best_rate(20, seconds, 1000, run) * row.block, row.isa};
}

Bandwidth measure_bandwidth(std::string_view name, std::int64_t bytes, int threads, int repetitions, double seconds) {
    constexpr std::int64_t largest = std::int64_t(1) << 36;
    check_seconds(seconds);
    require(threads >= 1 && threads <= 1024, "threads must be from 1 to 1024, is ", threads);
    require(repetitions >= 1 && repetitions <= 1000, "repetitions must be from 1 to 1000, is ", repetitions);
    const KernelRow& row = row_named(name, true);
    const bool copies = name == "copy";
    const std::int64_t piece_bytes = 4 * machine_piece * (copies ? 2 : 1);
    require(bytes >= piece_bytes * threads && bytes <= largest, "bytes must be from ", piece_bytes, " for each of ", threads,
            " threads to ", largest, ", is ", bytes);
    const std::int64_t count = bytes / threads / piece_bytes * machine_piece;
    std::vector<Tensor<std::int32_t>> parts;
    for (int thread = 0; thread < threads; ++thread) {
        parts.emplace_back(count * (copies ? 2 : 1));
        std::fill_n(parts.back().data(), parts.back().size(), 1); // a page that was never written may be any other's copy
    }
    const auto pass = [&](std::int64_t steps) {
        parallel_for(threads, threads, [&](int part, int) {
            std::int32_t* data = parts[static_cast<std::size_t>(part)].data();
            row.function({.steps = steps, .from = data, .to = data + (copies ? count : 0), .count = count});
        });
    };
    const KeepAwake awake(threads);
    const double step_bytes = double(count) * 4 * (copies ? 2 : 1) * threads;
    Bandwidth result{.bytes_per_second = {}, .isa = row.isa};
    for (int repetition = 0; repetition < repetitions; ++repetition) {
        result.bytes_per_second.push_back(best_rate(2, seconds, 1, pass) * step_bytes);
    }
    return result;
}

} // namespace machine
} // namespace fk
