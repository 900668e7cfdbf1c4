#include "base/cpu.hpp"

#include <cstdint>
#include <cstring>

#if FK_X86
#include <cpuid.h>
#endif

namespace fk {

namespace {
#if FK_X86
struct Registers {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
    Registers r;
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

std::uint64_t xgetbv0() {
    unsigned low = 0;
    unsigned high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32) | low;
}

bool bit(unsigned word, int index) { return ((word >> index) & 1U) != 0; }

std::string brand_string() {
    if (cpuid(0x80000000U).eax < 0x80000004U) {
        return "x86-64";
    }
    char text[49] = {};
    for (unsigned i = 0; i < 3; ++i) {
        const Registers r = cpuid(0x80000002U + i);
        std::memcpy(text + 16 * i, &r, 16);
    }
    const std::string brand(text);
    const auto first = brand.find_first_not_of(' ');
    return first == std::string::npos ? "x86-64" : brand.substr(first, brand.find_last_not_of(' ') - first + 1);
}

CpuFeatures detect() {
    CpuFeatures f;
    f.brand = brand_string();
    const unsigned max_leaf = cpuid(0).eax;
    const Registers one = cpuid(1);
    f.popcnt = bit(one.ecx, 23);
    const bool osxsave = bit(one.ecx, 27);
    if (!osxsave) {
        return f;
    }
    const std::uint64_t xcr0 = xgetbv0();
    f.os_ymm = (xcr0 & 0x6U) == 0x6U;   // SSE and AVX state
    f.os_zmm = (xcr0 & 0xE6U) == 0xE6U; // and opmask, ZMM_Hi256, Hi16_ZMM
    f.avx = bit(one.ecx, 28);
    f.fma = bit(one.ecx, 12);
    f.f16c = bit(one.ecx, 29);
    if (max_leaf < 7) {
        return f;
    }
    const Registers seven = cpuid(7);
    f.avx2 = bit(seven.ebx, 5);
    f.bmi2 = bit(seven.ebx, 8);
    f.avx512f = bit(seven.ebx, 16);
    f.avx512dq = bit(seven.ebx, 17);
    f.avx512cd = bit(seven.ebx, 28);
    f.avx512bw = bit(seven.ebx, 30);
    f.avx512vl = bit(seven.ebx, 31);
    f.avx512vbmi = bit(seven.ecx, 1);
    f.avx512vbmi2 = bit(seven.ecx, 6);
    f.avx512vnni = bit(seven.ecx, 11);
    f.avx512bitalg = bit(seven.ecx, 12);
    f.avx512vpopcntdq = bit(seven.ecx, 14);
    if (seven.eax >= 1) {
        f.avx512bf16 = bit(cpuid(7, 1).eax, 5);
    }
    return f;
}
#else
CpuFeatures detect() {
    CpuFeatures f;
    f.brand = "not x86-64";
    return f;
}
#endif
} // namespace

const CpuFeatures& cpu_features() {
    static const CpuFeatures features = detect();
    return features;
}

} // namespace fk
