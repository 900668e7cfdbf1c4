// Functions on vectors that are the same in every dialect.
#pragma once

namespace fk::FK_ISA {
namespace {

// e^x: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite, ln 2 in two parts), a polynomial of degree 6 for e^r
// (remainder below 2^-26 relative), then n added to the exponent in two halves so that the ends stay in range.
// NaN passes through; below -104 the result is 0, above 88.72 infinity.
FK_INLINE vf exp(vf x) {
    const vf clamped = min(max(x, splat(-104.0F)), splat(89.0F));
    const vi n = round_int(clamped * splat(1.44269504088896341F));
    const vf nf = to_float(n);
    vf r = fnma(nf, splat(0.693359375F), clamped);
    r = fnma(nf, splat(-2.12194440e-4F), r);
    vf p = splat(1.0F / 720);
    p = fma(p, r, splat(1.0F / 120));
    p = fma(p, r, splat(1.0F / 24));
    p = fma(p, r, splat(1.0F / 6));
    p = fma(p, r, splat(0.5F));
    p = fma(p, r, splat(1.0F));
    p = fma(p, r, splat(1.0F));
    const vi half = shr(n, 1);
    const vf scaled = p * bits_float(shl(half + splat_i(127), 23)) * bits_float(shl(n - half + splat_i(127), 23));
    return select(eq(x, x), scaled, x);
}

FK_INLINE vf sigmoid(vf x) { return splat(1.0F) / (splat(1.0F) + exp(zero() - x)); }

// tanh x: below 0.625 an odd polynomial (no cancellation there), else 1 - 2 / (e^2|x| + 1) with the sign put back.
FK_INLINE vf tanh(vf x) {
    const vf a = abs(x);
    const vf s = x * x;
    vf p = splat(-5.70498872745e-3F);
    p = fma(p, s, splat(2.06390887954e-2F));
    p = fma(p, s, splat(-5.37397155531e-2F));
    p = fma(p, s, splat(1.33314422036e-1F));
    p = fma(p, s, splat(-3.33332819422e-1F));
    const vf small = fma(p * s, x, x);
    const vf large = splat(1.0F) - splat(2.0F) / (exp(a + a) + splat(1.0F));
    const vf with_sign = bits_float(bits_int(large) | (bits_int(x) & splat_i(static_cast<int32_t>(0x80000000U))));
    return select(lt(a, splat(0.625F)), small, select(eq(x, x), with_sign, x));
}

} // namespace
} // namespace fk::FK_ISA
