#include "base/isa.hpp"

#include <cstdlib>

#include "base/cpu.hpp"
#include "base/error.hpp"

namespace fk {

namespace {
constexpr const char* names[isa_count] = {"scalar", "avx2", "avx512", "avx512icl"};

Isa read_environment() {
    const char* forced = std::getenv("FERKERN_ISA");
    if (forced == nullptr || *forced == '\0') {
        return isa_supported();
    }
    const Isa isa = isa_from_name(forced);
    require(isa <= isa_supported(), "FERKERN_ISA=", forced, ": this machine runs only up to ", isa_name(isa_supported()));
    return isa;
}
} // namespace

const char* isa_name(Isa isa) { return names[static_cast<int>(isa)]; }

Isa isa_from_name(std::string_view name) {
    for (int i = 0; i < isa_count; ++i) {
        if (name == names[i]) {
            return static_cast<Isa>(i);
        }
    }
    throw ValueError(message("unknown instruction set '", name, "'; known: scalar, avx2, avx512, avx512icl"));
}

Isa isa_supported() {
    static const Isa supported = [] {
        const CpuFeatures& cpu = cpu_features();
        if (!cpu.avx2 || !cpu.fma || !cpu.f16c || !cpu.bmi2 || !cpu.os_ymm) {
            return Isa::scalar;
        }
        if (!cpu.avx512f || !cpu.avx512bw || !cpu.avx512dq || !cpu.avx512vl || !cpu.avx512cd || !cpu.os_zmm) {
            return Isa::avx2;
        }
        const bool icl = cpu.avx512vnni && cpu.avx512vbmi && cpu.avx512vbmi2 && cpu.avx512bitalg && cpu.avx512vpopcntdq;
        return icl ? Isa::avx512icl : Isa::avx512;
    }();
    return supported;
}

Isa isa_default() {
    static const Isa isa = read_environment();
    return isa;
}

Choice& current_choice() {
    thread_local Choice choice = [] {
        Choice initial;
        initial.isa = isa_default();
        return initial;
    }();
    return choice;
}

} // namespace fk
