// The logarithm on vectors, the same in every dialect; included after simd/vec.hpp by the few that need it.
#pragma once

namespace fk::FK_ISA {
namespace {

// ln x for normal x > 0 (and finite): x = 2^e m with m in [sqrt(1/2), sqrt(2)), and with s = (m - 1) / (m + 1)
// ln m = 2 s (1 + s^2 / 3 + s^4 / 5 + s^6 / 7 + s^8 / 9 + ...); |s| < 0.172, so what is left out is below 2^-30 of it.
FK_INLINE vf log(vf x) {
    const vi bits = bits_int(x);
    const vi e = shr(bits - splat_i(0x3f3504f3), 23);
    const vf m = bits_float(bits - shl(e, 23));
    const vf s = (m - splat(1.0F)) / (m + splat(1.0F));
    const vf s2 = s * s;
    vf p = splat(1.0F / 9);
    p = fma(p, s2, splat(1.0F / 7));
    p = fma(p, s2, splat(0.2F));
    p = fma(p, s2, splat(1.0F / 3));
    const vf ln_m = fma(p * s2, s + s, s + s);
    return fma(to_float(e), splat(0.693147180559945F), ln_m);
}

} // namespace
} // namespace fk::FK_ISA
