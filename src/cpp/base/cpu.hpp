// What the processor offers (cpuid) and what the operating system saves (xgetbv).
#pragma once

#include <string>

namespace fk {

struct CpuFeatures {
    std::string brand;
    bool avx = false, avx2 = false, fma = false, f16c = false, bmi2 = false, popcnt = false;
    bool avx512f = false, avx512bw = false, avx512dq = false, avx512vl = false, avx512cd = false;
    bool avx512vnni = false, avx512vbmi = false, avx512vbmi2 = false, avx512bitalg = false, avx512vpopcntdq = false;
    bool avx512bf16 = false;
    bool os_ymm = false; // the operating system saves YMM registers
    bool os_zmm = false; // ... and ZMM and mask registers
};

const CpuFeatures& cpu_features();

} // namespace fk
