// Lanes that change places by one bit of their number:
//
//   cross<M>(a)     lane i: a[i ^ M]
//   pick<M>(a, b)   lane i: a[i] where i has no bit M, b[i] where it has
//
// M a power of two below the number of lanes.
#pragma once

#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
template <int M> FK_INLINE vf cross(vf a) {
    if constexpr (M == 1) {
        return {_mm512_permute_ps(a.v, 0xb1)};
    } else if constexpr (M == 2) {
        return {_mm512_permute_ps(a.v, 0x4e)};
    } else {
        return {_mm512_shuffle_f32x4(a.v, a.v, M == 4 ? 0xb1 : 0x4e)};
    }
}
template <int M> FK_INLINE vf pick(vf a, vf b) {
    constexpr __mmask16 has = M == 1 ? 0xaaaa : M == 2 ? 0xcccc : M == 4 ? 0xf0f0 : 0xff00;
    return {_mm512_mask_blend_ps(has, a.v, b.v)};
}
template <int M> FK_INLINE vd cross(vd a) {
    if constexpr (M == 1) {
        return {_mm512_permute_pd(a.v, 0x55)};
    } else {
        return {_mm512_shuffle_f64x2(a.v, a.v, M == 2 ? 0xb1 : 0x4e)};
    }
}
template <int M> FK_INLINE vd pick(vd a, vd b) {
    constexpr __mmask8 has = M == 1 ? 0xaa : M == 2 ? 0xcc : 0xf0;
    return {_mm512_mask_blend_pd(has, a.v, b.v)};
}
#elif FK_ISA_LEVEL == 1
template <int M> FK_INLINE vf cross(vf a) {
    if constexpr (M == 1) {
        return {_mm256_permute_ps(a.v, 0xb1)};
    } else if constexpr (M == 2) {
        return {_mm256_permute_ps(a.v, 0x4e)};
    } else {
        return {_mm256_permute2f128_ps(a.v, a.v, 1)};
    }
}
template <int M> FK_INLINE vf pick(vf a, vf b) { return {_mm256_blend_ps(a.v, b.v, M == 1 ? 0xaa : M == 2 ? 0xcc : 0xf0)}; }
template <int M> FK_INLINE vd cross(vd a) {
    if constexpr (M == 1) {
        return {_mm256_permute_pd(a.v, 0x5)};
    } else {
        return {_mm256_permute2f128_pd(a.v, a.v, 1)};
    }
}
template <int M> FK_INLINE vd pick(vd a, vd b) { return {_mm256_blend_pd(a.v, b.v, M == 1 ? 0xa : 0xc)}; }
#else
template <int M> FK_INLINE vf cross(vf a) { return {f32x4{a.v[0 ^ M], a.v[1 ^ M], a.v[2 ^ M], a.v[3 ^ M]}}; }
template <int M> FK_INLINE vf pick(vf a, vf b) {
    return {M == 1 ? f32x4{a.v[0], b.v[1], a.v[2], b.v[3]} : f32x4{a.v[0], a.v[1], b.v[2], b.v[3]}};
}
template <int M> FK_INLINE vd cross(vd a) { return {f64x2{a.v[1], a.v[0]}}; }
template <int M> FK_INLINE vd pick(vd a, vd b) { return {f64x2{a.v[0], b.v[1]}}; }
#endif

} // namespace
} // namespace fk::FK_ISA
