// Instruction sets, ordered: a kernel for a lower one also runs on a higher one.
#pragma once

#include <string>
#include <string_view>

namespace fk {

enum class Isa : int { scalar = 0, avx2 = 1, avx512 = 2, avx512icl = 3 };

inline constexpr int isa_count = 4;

const char* isa_name(Isa isa);
// Throws ValueError that lists the known names.
Isa isa_from_name(std::string_view name);
// The highest instruction set that this processor and operating system run.
Isa isa_supported();
// The one in force for this process: FERKERN_ISA, or else isa_supported(). Throws ValueError when FERKERN_ISA
// names an unknown set or one that this machine does not run.
Isa isa_default();

// Choices of the calling thread, set by ferkern.config(); they steer plans made by this thread.
struct Choice {
    Isa isa = Isa::scalar; // rows above it are not used
    bool exact = false;    // only rows of exactly `isa`
    std::string kernel;    // "": any; else only rows of this name
    int threads = 0;       // 0: the pool's size
    bool strict = false;   // raise where the plain reference would serve
};
Choice& current_choice();

} // namespace fk
