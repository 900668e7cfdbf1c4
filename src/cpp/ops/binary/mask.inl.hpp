// A comparison's lanes as the bits of a word.
#pragma once

namespace fk::FK_ISA {
namespace {

// GCC 12 may spill a mask as 16 bits and read it back as 32 (seen under -fsanitize=thread): one instruction that it cannot
// take apart moves it to a register.
FK_INLINE uint32_t lane_bits(vm mask) {
#if FK_ISA_LEVEL >= 2
    uint32_t bits;
    __asm__("kmovw %1, %0" : "=r"(bits) : "k"(mask.v));
    return bits;
#else
    return static_cast<uint32_t>(mask_bits(mask));
#endif
}

} // namespace
} // namespace fk::FK_ISA
