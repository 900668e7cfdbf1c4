// The steps of the refinement, VL pixels at a time.
//
// Every weight 1 / sqrt(.) of the contract is formed by one inverse square root: with q = |grad I|^2 + zeta^2 the robust
// and normalised brightness term is delta / (q sqrt(d^2 / q + e^2)) = delta / sqrt(q (d^2 + q e^2)), and likewise for
// the two of the gradient. No gradient is stored: the stencils of `mean` and `difference` are read where they are
// needed, six planes instead of thirteen (at 1280 x 720 these stand in main memory).
#pragma once

#include "ops/flow_refine/leaf.hpp"
#include "simd/lanes.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE vf lerp(vf a, vf b, vf t) { return fma(t, b - a, a); }

// I1 at VL positions. Where the motion is smooth all lanes read neighbouring pixels, and four loads serve.
FK_INLINE vf sample(const RefineWarp& a, int x, vf at_x, vf at_y) {
    const vi column = to_int(at_x), line = to_int(at_y);
    const vf part_x = at_x - to_float(column), part_y = at_y - to_float(line);
    const vi place = line * splat_i(static_cast<int32_t>(a.to_row)) + column;
    int32_t places[VL];
    store_i(places, place);
    const vi steady = splat_i(places[0] - x) + to_int(splat(static_cast<float>(x)) + lane_index());
    if ((mask_bits(lt_i(place, steady)) | mask_bits(gt_i(place, steady))) == 0) {
        const float* p = a.to + places[0];
        return lerp(lerp(load(p), load(p + 1), part_x), lerp(load(p + a.to_row), load(p + a.to_row + 1), part_x), part_y);
    }
    const vi below = place + splat_i(static_cast<int32_t>(a.to_row)), one = splat_i(1);
    return lerp(lerp(gather(a.to, place), gather(a.to, place + one), part_x),
                lerp(gather(a.to, below), gather(a.to, below + one), part_x), part_y);
}

// Copies of the outermost pixels.
FK_INLINE void widen(float* row, int width) {
    row[-1] = row[-2] = row[0];
    row[width] = row[width + 1] = row[width - 1];
}

void warp_row(const RefineWarp& a) {
    const vf last_x = splat(static_cast<float>(a.width - 1)), last_y = splat(static_cast<float>(a.height - 1));
    for (int x = 0; x < a.width; x += VL) {
        const vf column = splat(static_cast<float>(x)) + lane_index();
        const vf at_x = min(max(column + load(a.u + x), zero()), last_x);
        const vf at_y = min(max(splat(static_cast<float>(a.y)) + load(a.v + x), zero()), last_y);
        const vf moved = sample(a, x, at_x, at_y), still = load(a.from + x);
        store(a.mean + x, splat(0.5F) * (still + moved));
        store(a.difference + x, moved - still);
    }
    widen(a.mean, a.width);
    widen(a.difference, a.width);
}

void smooth_row(const RefineSmooth& a) {
    for (int x = 0; x < a.width; x += VL) {
        const vf u = load(a.u + x), v = load(a.v + x);
        const vf ux = load(a.u + x + 1) - u, uy = load(a.below_u + x) - u;
        const vf vx = load(a.v + x + 1) - v, vy = load(a.below_v + x) - v;
        const vf squares = fma(ux, ux, fma(uy, uy, fma(vx, vx, fma(vy, vy, splat(a.epsilon2)))));
        store(a.smoothness + x, splat(a.half_alpha) * inverse_sqrt(squares));
    }
    a.smoothness[a.width] = a.smoothness[a.width - 1];
}

struct Equations {
    vf a11, a12, a22, b1, b2;
};

// The data terms of VL pixels: A (u - u0) = b, u0 the flow that was warped by.
FK_INLINE Equations data_terms(const RefineSystem& a, int x) {
    const auto m = [&](int row, int column) { return load(a.mean[2 + row] + x + column); };
    const auto d = [&](int row, int column) { return load(a.difference[1 + row] + x + column); };
    const vf half = splat(0.5F), quarter = splat(0.25F), e2 = splat(a.epsilon2), z2 = splat(a.zeta2);
    const vf ix = half * (m(0, 1) - m(0, -1)), iy = half * (m(1, 0) - m(-1, 0)), iz = d(0, 0);
    const vf q = fma(ix, ix, fma(iy, iy, z2));
    const vf k = splat(a.delta) * inverse_sqrt(q * fma(q, e2, iz * iz));
    const vf kx = k * ix, ky = k * iy;
    const vf twice = m(0, 0) + m(0, 0);
    const vf xx = quarter * ((m(0, 2) + m(0, -2)) - twice), yy = quarter * ((m(2, 0) + m(-2, 0)) - twice);
    const vf xy = quarter * ((m(1, 1) - m(1, -1)) - (m(-1, 1) - m(-1, -1)));
    const vf xz = half * (d(0, 1) - d(0, -1)), yz = half * (d(1, 0) - d(-1, 0));
    const vf q1 = fma(xx, xx, fma(xy, xy, z2)), q2 = fma(xy, xy, fma(yy, yy, z2));
    const vf t = fma(xz * xz, q2, fma(yz * yz, q1, e2 * (q1 * q2)));
    const vf g = splat(a.gamma) * inverse_sqrt((q1 * q2) * t);
    const vf n1 = g * q2, n2 = g * q1;
    const vf x1 = n1 * xx, y1 = n1 * xy, x2 = n2 * xy, y2 = n2 * yy;
    const vf hold = splat(a.hold);
    return {.a11 = fma(kx, ix, fma(x1, xx, fma(x2, xy, hold))),
            .a12 = fma(kx, iy, fma(x1, xy, x2 * yy)),
            .a22 = fma(ky, iy, fma(y1, xy, fma(y2, yy, hold))),
            .b1 = zero() - fma(kx, iz, fma(x1, xz, x2 * yz)),
            .b2 = zero() - fma(ky, iz, fma(y1, xz, y2 * yz))};
}

struct Unknowns {
    vf u, v, b1, b2, a11, a12, a22, across, down;
};

// What the system of VL pixels is before their neighbours' weights are added to the diagonal.
FK_INLINE Unknowns pixels(const RefineSystem& a, int x) {
    const Equations e = data_terms(a, x);
    const vf u = load(a.u + x), v = load(a.v + x);
    const vf here = load(a.smoothness + x), column = splat(static_cast<float>(x)) + lane_index();
    const vf across = select(lt(column, splat(static_cast<float>(a.width - 1))), here + load(a.smoothness + x + 1), zero());
    const vf down = a.last_row != 0 ? zero() : here + load(a.smoothness_below + x);
    return {.u = u,
            .v = v,
            .b1 = fma(e.a11, u, fma(e.a12, v, e.b1)),
            .b2 = fma(e.a12, u, fma(e.a22, v, e.b2)),
            .a11 = e.a11,
            .a12 = e.a12,
            .a22 = e.a22,
            .across = across,
            .down = down};
}

FK_INLINE void put(const RefineSystem& a, int parity, int i, const Unknowns& p, vf left) {
    const vf weights = (p.across + left) + (p.down + load(a.down_above[parity] + i));
    const vf m11 = p.a11 + weights, m22 = p.a22 + weights;
    const vf scale = splat(a.omega) * reciprocal(fnma(p.a12, p.a12, m11 * m22));
    store(a.to.u[parity] + i, p.u);
    store(a.to.v[parity] + i, p.v);
    store(a.to.m11[parity] + i, m22 * scale);
    store(a.to.m12[parity] + i, zero() - p.a12 * scale);
    store(a.to.m22[parity] + i, m11 * scale);
    store(a.to.b1[parity] + i, p.b1);
    store(a.to.b2[parity] + i, p.b2);
    store(a.to.down[parity] + i, p.down);
}

template <vf (*half)(vf, vf)> FK_INLINE Unknowns halves(const Unknowns& a, const Unknowns& b) {
    return {.u = half(a.u, b.u),
            .v = half(a.v, b.v),
            .b1 = half(a.b1, b.b1),
            .b2 = half(a.b2, b.b2),
            .a11 = half(a.a11, b.a11),
            .a12 = half(a.a12, b.a12),
            .a22 = half(a.a22, b.a22),
            .across = half(a.across, b.across),
            .down = half(a.down, b.down)};
}

// What stands behind the end of a row has no weight, but a weight of 0 keeps nothing away that is not finite, and memory may
// hold anything: zeros as far as the sweeps read.
void clear_behind(const RefineSystem& a) {
    for (int p = 0; p < 2; ++p) {
        const int count = (a.width + 1 - p) / 2;
        float* const arrays[] = {a.to.u[p],  a.to.v[p],  a.to.m11[p],    a.to.m12[p], a.to.m22[p],
                                 a.to.b1[p], a.to.b2[p], a.to.across[p], a.to.down[p]};
        for (float* array : arrays) {
            store(array + count, zero());
            store(array + count + VL, zero());
        }
    }
}

void system_row(const RefineSystem& a) {
    for (int x = 0; x < a.width; x += 2 * VL) {
        const Unknowns first = pixels(a, x), second = pixels(a, x + VL);
        const Unknowns even = halves<evens>(first, second), odd = halves<odds>(first, second);
        const int i = x / 2;
        store(a.to.across[0] + i, even.across);
        store(a.to.across[1] + i, odd.across);
        put(a, 0, i, even, load(a.to.across[1] + i - 1));
        put(a, 1, i, odd, even.across);
    }
    clear_behind(a);
}

void relax_row(const RefineRelax& a) {
    const int p = a.parity, o = 1 - p, left = p - 1; // the neighbours of an even pixel i are the odd i - 1 and i
    const vf rest = splat(1.0F - a.omega);
    for (int i = 0; i < a.count; i += VL) {
        const vf w_right = load(a.row.across[p] + i), w_left = load(a.row.across[o] + i + left);
        const vf w_below = load(a.row.down[p] + i), w_above = load(a.down_above + i);
        const auto around = [&](const float* row, const float* above, const float* below, const float* b) {
            const vf sides = fma(w_right, load(row + i + left + 1), w_left * load(row + i + left));
            return sides + fma(w_below, load(below + i), fma(w_above, load(above + i), load(b + i)));
        };
        const vf su = around(a.row.u[o], a.above_u, a.below_u, a.row.b1[p]);
        const vf sv = around(a.row.v[o], a.above_v, a.below_v, a.row.b2[p]);
        const vf m12 = load(a.row.m12[p] + i);
        const vf u = fma(load(a.row.m11[p] + i), su, m12 * sv), v = fma(m12, su, load(a.row.m22[p] + i) * sv);
        store(a.row.u[p] + i, fma(rest, load(a.row.u[p] + i), u));
        store(a.row.v[p] + i, fma(rest, load(a.row.v[p] + i), v));
    }
}

void merge_row(const RefineMerge& a) {
    const auto merge = [&](float* const* halves, float* to) {
        for (int x = 0; x < a.width; x += 2 * VL) {
            const vf even = load(halves[0] + x / 2), odd = load(halves[1] + x / 2);
            store(to + x, join_low(even, odd));
            store(to + x + VL, join_high(even, odd));
        }
        to[a.width] = to[a.width - 1];
    };
    merge(a.row.u, a.u);
    merge(a.row.v, a.v);
}

constexpr RefineKernels table{&warp_row, &smooth_row, &system_row, &relax_row, &merge_row};

} // namespace

const RefineKernels* flow_refine_rows();
const RefineKernels* flow_refine_rows() { return &table; }

} // namespace fk::FK_ISA
