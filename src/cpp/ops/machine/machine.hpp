// Peaks of one core, measured with the plainest loop that can reach them: what shares of a peak refer to.
//
// xor_popcount: differing bits of two vectors counted into an accumulator, all in registers; a compared bit counts two
// operations, as a multiply-add does. With VPOPCNTD that is xor, popcount, add; without, the table lookup of both halves of each
// byte (W. Mula, N. Kurz, D. Lemire, "Faster population counts using AVX2 instructions", 2018); else bits summed in parallel.
#pragma once

#include <string_view>

#include "ops/machine/leaf.hpp"
#include "ops/op.hpp"

namespace fk::machine {

struct Shape {};
using KernelRow = Row<Shape, MachineKernel>; // block: operations of a step

struct Peak {
    double operations_per_second;
    Isa isa;
};

// The best of several runs of `seconds` in all, with the instruction set that the calling thread's choice admits.
// Throws ValueError for a name that is not in kernels.inc or seconds that are not from 0.001 to 60.
Peak measure(std::string_view name, double seconds);

} // namespace fk::machine
