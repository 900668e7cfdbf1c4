// Peaks of one core, measured with the plainest loop that can reach them: what shares of a peak refer to.
//
// fp32: multiply-adds; scalar: those of SSE2, a product and a sum. int8: products of bytes summed in int32, exactly: vpdpbusd,
// without it vpmaddwd (pmaddwd) on bytes widened to 16 bits. bf16: vdpbf16ps. A multiply-add counts two operations.
// xor_popcount: differing bits of two vectors counted into an accumulator, all in registers; a compared bit counts two
// operations, as a multiply-add does. With VPOPCNTD that is xor, popcount, add; without, the table lookup of both halves of each
// byte (W. Mula, N. Kurz, D. Lemire, "Faster population counts using AVX2 instructions", 2018); else bits summed in parallel.
// read, copy: bytes that pass when a piece of memory is read, or one half of it copied to the other, again and again.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

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
// Throws ValueError for a name that is not in kernels.inc, or not served here, or seconds that are not from 0.001 to 60.
Peak measure(std::string_view name, double seconds);

struct Bandwidth {
    std::vector<double> bytes_per_second; // of each repetition, its best run
    Isa isa;
};

// "read" or "copy" through `bytes` in all, on `threads` threads, each with its own part; every repetition takes about `seconds`
// or twice through the memory, whichever is longer. Throws ValueError as above and for numbers out of range.
Bandwidth measure_bandwidth(std::string_view name, std::int64_t bytes, int threads, int repetitions, double seconds);

} // namespace fk::machine
