// Every kernel of every op, as the ops' kernels.inc list them.
#pragma once

#include <string>
#include <vector>

#include "base/isa.hpp"

namespace fk {

struct KernelInfo {
    std::string op;
    std::string name;
    std::string target; // an instruction set, or "opencl" for a kernel of a device
};

// All rows of all ops, sorted by op, best first within an op.
const std::vector<KernelInfo>& kernel_registry();

// The row that the calling thread chose last ("" before the first): what ran is what the registry says.
void note_kernel(const char* op, const char* name, const char* target);
inline void note_kernel(const char* op, const char* name, Isa isa) { note_kernel(op, name, isa_name(isa)); }
std::string last_kernel();

// Constructed once per op at load time.
struct Registration {
    explicit Registration(std::vector<KernelInfo> rows);
};

} // namespace fk
