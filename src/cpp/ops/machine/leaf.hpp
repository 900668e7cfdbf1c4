// What a loop that measures the processor is given. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

struct MachineLeaf {
    int64_t steps; // of the loop; over memory: times through all of it
    const int32_t* from;
    int32_t* to;
    int64_t count; // of int32, in each of the two; a multiple of machine_piece
};

constexpr int64_t machine_piece = 128;

using MachineKernel = void (*)(const MachineLeaf&);

} // namespace fk
