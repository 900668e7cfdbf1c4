#include "ops/machine/machine.hpp"

#include <algorithm>
#include <chrono>

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const MachineLeaf&);                                                                                           \
    }
#include "ops/machine/kernels.inc"
#undef FK_KERNEL

namespace machine {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/machine/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("machine", rows);

const KernelRow& row_named(std::string_view name) {
    const Choice& choice = current_choice();
    for (const KernelRow& row : rows) {
        if (name == row.name && (choice.exact ? row.isa == choice.isa : row.isa <= choice.isa)) {
            note_kernel("machine", row.name, row.isa);
            return row;
        }
    }
    throw ValueError(message("machine: nothing named '", name, "' is measured ", choice.exact ? "on exactly " : "up to ",
                             isa_name(choice.isa)));
}

double timed(const KernelRow& row, std::int64_t steps) {
    const auto begin = std::chrono::steady_clock::now();
    row.function({.steps = steps});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}
} // namespace

Peak measure(std::string_view name, double seconds) {
    require(seconds >= 1e-3 && seconds <= 60, "seconds must be from 0.001 to 60, is ", seconds);
    const KernelRow& row = row_named(name);
    constexpr int runs = 20; // short enough that some are not interrupted
    std::int64_t steps = 1000;
    double spent = timed(row, steps);
    while (spent < seconds / runs) {
        steps *= 2;
        spent = timed(row, steps);
    }
    double best = spent;
    for (int run = 1; run < runs; ++run) {
        best = std::min(best, timed(row, steps));
    }
    return {double(steps) * row.block / best, row.isa};
}

} // namespace machine
} // namespace fk
