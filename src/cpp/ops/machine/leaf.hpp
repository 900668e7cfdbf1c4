// What a loop that measures the processor is given. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

struct MachineLeaf {
    int64_t steps; // of the loop
};

using MachineKernel = void (*)(const MachineLeaf&);

} // namespace fk
