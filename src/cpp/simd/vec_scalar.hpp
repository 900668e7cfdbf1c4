// Four lanes in the compiler's own vector type: SSE2 on plain x86-64, the like elsewhere. No FMA: fma() rounds twice.
#pragma once

namespace fk::FK_ISA {
namespace {

constexpr int VL = 4;
using f32x4 = float __attribute__((vector_size(16)));
using i32x4 = int32_t __attribute__((vector_size(16)));

struct vf {
    f32x4 v;
};
struct vi {
    i32x4 v;
};
struct vm {
    i32x4 v; // all ones or zero
};

FK_INLINE vf splat(float x) { return {f32x4{x, x, x, x}}; }
FK_INLINE vi splat_i(int32_t x) { return {i32x4{x, x, x, x}}; }
FK_INLINE vf zero() { return splat(0.0F); }
FK_INLINE vf load(const float* p) {
    vf r;
    __builtin_memcpy(&r.v, p, sizeof r.v);
    return r;
}
FK_INLINE void store(float* p, vf a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
// Upper halves of floats.
FK_INLINE vf load(const uint16_t* p) {
    vi bits;
    for (int i = 0; i < VL; ++i) {
        bits.v[i] = static_cast<int32_t>(static_cast<uint32_t>(p[i]) << 16);
    }
    vf r;
    __builtin_memcpy(&r.v, &bits.v, sizeof r.v);
    return r;
}
FK_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }
FK_INLINE vf load_n(const float* p, int n) {
    vf r = zero();
    for (int i = 0; i < n; ++i) {
        r.v[i] = p[i];
    }
    return r;
}
FK_INLINE void store_n(float* p, vf a, int n) {
    for (int i = 0; i < n; ++i) {
        p[i] = a.v[i];
    }
}
FK_INLINE vi load_i(const int32_t* p) {
    vi r;
    __builtin_memcpy(&r.v, p, sizeof r.v);
    return r;
}
FK_INLINE void store_i(int32_t* p, vi a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
FK_INLINE vf gather(const float* p, vi i) { return {f32x4{p[i.v[0]], p[i.v[1]], p[i.v[2]], p[i.v[3]]}}; }
FK_INLINE vi gather_i(const int32_t* p, vi i) { return {i32x4{p[i.v[0]], p[i.v[1]], p[i.v[2]], p[i.v[3]]}}; }
FK_INLINE vi load_u8(const uint8_t* p) { return {i32x4{p[0], p[1], p[2], p[3]}}; }
FK_INLINE vi load_i8(const int8_t* p) { return {i32x4{p[0], p[1], p[2], p[3]}}; }
FK_INLINE void store_u8(uint8_t* p, vi a) {
    for (int i = 0; i < 4; ++i) {
        p[i] = static_cast<uint8_t>(a.v[i] < 0 ? 0 : a.v[i] > 255 ? 255 : a.v[i]);
    }
}

FK_INLINE vf operator+(vf a, vf b) { return {a.v + b.v}; }
FK_INLINE vf operator-(vf a, vf b) { return {a.v - b.v}; }
FK_INLINE vf operator*(vf a, vf b) { return {a.v * b.v}; }
FK_INLINE vf operator/(vf a, vf b) { return {a.v / b.v}; }
FK_INLINE vi operator+(vi a, vi b) { return {a.v + b.v}; }
FK_INLINE vi operator-(vi a, vi b) { return {a.v - b.v}; }
FK_INLINE vi operator*(vi a, vi b) { return {a.v * b.v}; }
FK_INLINE vi operator&(vi a, vi b) { return {a.v & b.v}; }
FK_INLINE vi operator|(vi a, vi b) { return {a.v | b.v}; }
FK_INLINE vf fma(vf a, vf b, vf c) { return {a.v * b.v + c.v}; }
FK_INLINE vf fnma(vf a, vf b, vf c) { return {c.v - a.v * b.v}; }
FK_INLINE vm lt(vf a, vf b) { return {a.v < b.v}; }
FK_INLINE vm le(vf a, vf b) { return {a.v <= b.v}; }
FK_INLINE vm gt(vf a, vf b) { return {a.v > b.v}; }
FK_INLINE vm ge(vf a, vf b) { return {a.v >= b.v}; }
FK_INLINE vm eq(vf a, vf b) { return {a.v == b.v}; }
FK_INLINE vm lt_i(vi a, vi b) { return {a.v < b.v}; }
FK_INLINE vm gt_i(vi a, vi b) { return {a.v > b.v}; }
FK_INLINE vf select(vm m, vf a, vf b) {
    return {reinterpret_cast<f32x4>((m.v & reinterpret_cast<i32x4>(a.v)) | (~m.v & reinterpret_cast<i32x4>(b.v)))};
}
FK_INLINE vi select_i(vm m, vi a, vi b) { return {(m.v & a.v) | (~m.v & b.v)}; }
FK_INLINE unsigned mask_bits(vm m) {
    unsigned bits = 0;
    for (int i = 0; i < 4; ++i) {
        bits |= (m.v[i] != 0 ? 1U : 0U) << i;
    }
    return bits;
}
// As the x86 instructions: the second operand where one is NaN.
FK_INLINE vf min(vf a, vf b) { return select(lt(a, b), a, b); }
FK_INLINE vf max(vf a, vf b) { return select(gt(a, b), a, b); }
FK_INLINE vi min_i(vi a, vi b) { return select_i(lt_i(a, b), a, b); }
FK_INLINE vi max_i(vi a, vi b) { return select_i(gt_i(a, b), a, b); }
FK_INLINE vf bits_float(vi a) { return {reinterpret_cast<f32x4>(a.v)}; }
FK_INLINE vi bits_int(vf a) { return {reinterpret_cast<i32x4>(a.v)}; }
FK_INLINE vf abs(vf a) { return bits_float(bits_int(a) & splat_i(0x7fffffff)); }
FK_INLINE vf sqrt(vf a) {
    return {f32x4{__builtin_sqrtf(a.v[0]), __builtin_sqrtf(a.v[1]), __builtin_sqrtf(a.v[2]), __builtin_sqrtf(a.v[3])}};
}
FK_INLINE vi to_int(vf a) { return {__builtin_convertvector(a.v, i32x4)}; }
FK_INLINE vf to_float(vi a) { return {__builtin_convertvector(a.v, f32x4)}; }
// To nearest, ties to even, for |a| < 2^22: adding 1.5 * 2^23 pushes the fraction out.
FK_INLINE vi round_int(vf a) {
    const vf magic = splat(12582912.0F);
    return bits_int(a + magic) - splat_i(0x4b400000);
}
FK_INLINE vi shl(vi a, int n) { return {a.v << n}; }
FK_INLINE vi shr(vi a, int n) { return {a.v >> n}; }
FK_INLINE float sum(vf a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
FK_INLINE float maximum(vf a) {
    const float x = a.v[0] > a.v[2] ? a.v[0] : a.v[2];
    const float y = a.v[1] > a.v[3] ? a.v[1] : a.v[3];
    return x > y ? x : y;
}

} // namespace
} // namespace fk::FK_ISA
