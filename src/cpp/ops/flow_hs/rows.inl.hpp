// Horn and Schunck's steps, VL pixels at a time. A step reads 19 vectors and does 24 operations.
#pragma once

#include "ops/flow_hs/leaf.hpp"

namespace fk::FK_ISA {
namespace {

// VL pixels from column x on; past the end copies of the last pixel, and nothing behind it is touched.
template <class T> FK_INLINE vf pixels(const void* row, int x, int width, float scale) {
    const T* p = static_cast<const T*>(row);
    float values[VL];
    for (int l = 0; l < VL; ++l) {
        values[l] = static_cast<float>(p[x + l < width ? x + l : width - 1]);
    }
    return splat(scale) * load(values);
}

template <class T> void derive_as(const HsDerive& a) {
    for (int x = 0; x < a.width; x += VL) {
        const auto at = [&](const void* row, int shift) { return pixels<T>(row, x + shift, a.width, a.scale); };
        const vf p00 = at(a.from, 0), p01 = at(a.from, 1), p10 = at(a.from_below, 0), p11 = at(a.from_below, 1);
        const vf q00 = at(a.to, 0), q01 = at(a.to, 1), q10 = at(a.to_below, 0), q11 = at(a.to_below, 1);
        const vf quarter = splat(0.25F);
        const vf ix = quarter * ((p01 - p00) + (p11 - p10) + (q01 - q00) + (q11 - q10));
        const vf iy = quarter * ((p10 - p00) + (p11 - p01) + (q10 - q00) + (q11 - q01));
        const vf it = quarter * ((q00 - p00) + (q01 - p01) + (q10 - p10) + (q11 - p11));
        const vf share = splat(1.0F) / sqrt(fma(ix, ix, fma(iy, iy, splat(a.alpha2))));
        store(a.gx + x, ix * share);
        store(a.gy + x, iy * share);
        store(a.gt + x, it * share);
    }
}

void derive_row(const HsDerive& a) {
    if (a.is_float != 0) {
        derive_as<float>(a);
    } else {
        derive_as<uint8_t>(a);
    }
}

FK_INLINE vf mean(const float* const* rows, int x) {
    const vf sides = (load(rows[0] + x) + load(rows[2] + x)) + (load(rows[1] + x - 1) + load(rows[1] + x + 1));
    const vf corners = (load(rows[0] + x - 1) + load(rows[0] + x + 1)) + (load(rows[2] + x - 1) + load(rows[2] + x + 1));
    return fma(splat(1.0F / 6), sides, splat(1.0F / 12) * corners);
}

void step_row(const HsStep& a) {
    for (int x = 0; x < a.width; x += VL) {
        const vf u = mean(a.u, x), v = mean(a.v, x), gx = load(a.gx + x), gy = load(a.gy + x);
        const vf r = fma(gx, u, fma(gy, v, load(a.gt + x)));
        store(a.to_u + x, fnma(gx, r, u));
        store(a.to_v + x, fnma(gy, r, v));
    }
    a.to_u[-1] = a.to_u[0];
    a.to_v[-1] = a.to_v[0];
    a.to_u[a.width] = a.to_u[a.width - 1];
    a.to_v[a.width] = a.to_v[a.width - 1];
}

constexpr HsKernels table{&derive_row, &step_row};

} // namespace

const HsKernels* flow_hs_rows();
const HsKernels* flow_hs_rows() { return &table; }

} // namespace fk::FK_ISA
