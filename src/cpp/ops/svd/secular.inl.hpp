// The singular values of a diagonal matrix below one full row, M = [z; 0 d_1 ..; ...] with d_0 = 0 < d_1 < ...: roots w_i of
//   f(w^2) = 1 + sum_j z_j^2 / (d_j^2 - w^2),  one between each two neighbouring poles and one above the last.
// Of a root is kept x = w^2 - o^2 from the nearer pole o, so that all d_j^2 - w^2 = (d_j - o)(d_j + o) - x keep their digits.
//
// J. Bunch, C. Nielsen, D. Sorensen, "Rank-one modification of the symmetric eigenproblem" (1978): the poles on the left and
// those on the right are each taken for one at the nearest place that has their value and slope; a quadratic equation gives the
// next x. What leaves the bracket is halved. Roots stand in the lanes.
#pragma once

#include "ops/svd/leaf.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

struct Roots {
    vd origin, x;      // as above
    vd left, right;    // the poles beside the root, from the origin
    vd low, high;      // what it is known to lie between
    vd index;          // of the left pole
    vd psi, psi_slope; // sums over the poles up to it
    vd phi, phi_slope; // and past it
};

template <int SIDE> FK_INLINE void add_pole(Roots& r, double d, double square, vd member) {
    const vd pole = splat(d);
    const vd apart = fma(pole - r.origin, pole + r.origin, splat(0.0) - r.x);
    const vd inverse = member / apart;
    const vd term = splat(square) * inverse;
    if constexpr (SIDE == 0) {
        r.psi = r.psi + term;
        r.psi_slope = fma(term, inverse, r.psi_slope);
    } else {
        r.phi = r.phi + term;
        r.phi_slope = fma(term, inverse, r.phi_slope);
    }
}

// Sums at x. i0: the left pole of the first lane.
FK_INLINE void evaluate(Roots& r, const SvdSecular& s, int i0) {
    const vd one = splat(1.0);
    const vd nothing = splat(0.0);
    r.psi = r.psi_slope = r.phi = r.phi_slope = nothing;
    const int end = i0 + VLD < s.k ? i0 + VLD : s.k;
    for (int j = 0; j < i0; ++j) {
        add_pole<0>(r, s.d[j], s.squares[j], one);
    }
    for (int j = i0; j < end; ++j) {
        const md past = gt(splat(static_cast<double>(j)), r.index);
        add_pole<0>(r, s.d[j], s.squares[j], select(past, nothing, one));
        add_pole<1>(r, s.d[j], s.squares[j], select(past, one, nothing));
    }
    for (int j = end; j < s.k; ++j) {
        add_pole<1>(r, s.d[j], s.squares[j], one);
    }
}

// The root of c + q / (left - y) + w / (right - y) between the poles, where there is one.
FK_INLINE vd model_root(vd c, vd q, vd w, vd left, vd right) {
    const vd nothing = splat(0.0);
    const vd a = fma(c, left + right, q + w);
    const vd b = fma(c * left, right, fma(q, right, w * left));
    const vd inside = fma(a, a, nothing - splat(4.0) * b * c);
    const vd root = sqrt(max(inside, nothing));
    const md positive = gt(a, nothing);
    return select(positive, b + b, a - root) / select(positive, a + root, c + c);
}

FK_INLINE vd within(vd y, vd low, vd high) {
    const vd middle = splat(0.5) * (low + high);
    return select(gt(y, low), select(gt(high, y), y, middle), middle);
}

// Which half of its interval each root lies in, and a first x.
FK_INLINE Roots begin_roots(const SvdSecular& s, int i0, double total) {
    double own[VLD], next[VLD], place[VLD], weight[VLD], next_weight[VLD], last[VLD];
    for (int lane = 0; lane < VLD; ++lane) {
        const int i = i0 + lane < s.k ? i0 + lane : s.k - 1;
        const bool top = i + 1 == s.k;
        own[lane] = s.d[i];
        next[lane] = top ? s.d[i] : s.d[i + 1];
        place[lane] = i;
        weight[lane] = s.squares[i];
        next_weight[lane] = top ? 0 : s.squares[i + 1];
        last[lane] = top ? total : 0;
    }
    const vd nothing = splat(0.0);
    const vd di = load(own);
    const vd dn = load(next);
    const vd above = load(last);
    const vd gap = fma(dn - di, dn + di, above);
    const vd half = splat(0.5) * gap;
    Roots r{};
    r.origin = di;
    r.x = half;
    r.index = load(place);
    evaluate(r, s, i0);
    const vd f = splat(1.0) + r.psi + r.phi;
    const vd beside = (load(next_weight) - load(weight)) / half;
    const vd c = f - beside;
    const md later = gt(nothing, f);
    const md inner = gt(splat(1.0), above * splat(1e300)); // all but the last root
    const vd far = select(later, splat(1.0), nothing) * select(inner, splat(1.0), nothing);
    const md from_right = gt(far, nothing);
    r.origin = select(from_right, dn, di);
    r.left = select(from_right, nothing - gap, nothing);
    r.right = select(from_right, nothing, select(inner, gap, splat(4.0) * gap));
    r.low = select(from_right, nothing - half, select(later, half, nothing));
    r.high = select(from_right, nothing, select(later, gap * splat(1.0 + 1e-14), half));
    r.x = within(model_root(c, load(weight), load(next_weight), r.left, r.right), r.low, r.high);
    return r;
}

void secular(const SvdSecular& s) {
    const vd one = splat(1.0);
    const vd nothing = splat(0.0);
    double total = 0;
    for (int j = 0; j < s.k; ++j) {
        total += s.squares[j];
    }
    for (int i0 = s.begin; i0 < s.end; i0 += VLD) {
        Roots r = begin_roots(s, i0, total);
        vd open = one;
        for (int step = 0; step < 100; ++step) {
            evaluate(r, s, i0);
            const vd f = one + r.psi + r.phi;
            open = select(gt(abs(f), splat(s.tolerance) * (one + r.phi - r.psi)), open, nothing);
            if (mask_bits(gt(open, nothing)) == 0) {
                break;
            }
            const md early = gt(nothing, f);
            r.low = select(early, r.x, r.low);
            r.high = select(early, r.high, r.x);
            const vd to_left = r.left - r.x;
            const vd to_right = r.right - r.x;
            const vd q = r.psi_slope * to_left * to_left;
            const vd w = r.phi_slope * to_right * to_right;
            const vd c = f - r.psi_slope * to_left - r.phi_slope * to_right;
            const vd next = within(model_root(c, q, w, r.left, r.right), r.low, r.high);
            const vd moved = select(gt(open, nothing), next, r.x);
            open = select(gt(abs(moved - r.x), splat(2e-16) * abs(moved)), open, nothing);
            r.x = moved;
            if (mask_bits(gt(open, nothing)) == 0) {
                break;
            }
        }
        store(s.origins + i0, r.origin);
        store(s.x + i0, r.x);
        const vd sum = r.origin + sqrt(fma(r.origin, r.origin, r.x));
        store(s.values + i0, r.origin + r.x / sum);
    }
}

// z for which the roots are exact, from their interlacing (M. Gu, S. Eisenstat, "A stable and efficient algorithm for the
// rank-one modification of the symmetric eigenproblem", 1994): with it the vectors are orthogonal however the roots are rounded.
//   z_j^2 = (w_last^2 - d_j^2) prod_(i < j) (w_i^2 - d_j^2) / (d_i^2 - d_j^2) prod_(j <= i < last) (w_i^2 - d_j^2) / (d_(i+1)^2 -
//   d_j^2)
void secular_weights(const SvdSecular& s) {
    const vd nothing = splat(0.0);
    const vd one = splat(1.0);
    for (int j0 = s.begin; j0 < s.end; j0 += VLD) {
        double own[VLD], place[VLD], signs[VLD];
        for (int lane = 0; lane < VLD; ++lane) {
            const int j = j0 + lane < s.k ? j0 + lane : s.k - 1;
            own[lane] = s.d[j];
            place[lane] = j;
            signs[lane] = s.z[j] < 0 ? -1 : 1;
        }
        const vd d = load(own);
        const vd index = load(place);
        const auto apart = [&](int i) __attribute__((always_inline)) { // w_i^2 - d^2
            const vd origin = splat(s.origins[i]);
            return fma(origin - d, origin + d, splat(s.x[i]));
        };
        vd product = apart(s.k - 1);
        for (int i = 0; i + 1 < s.k; ++i) {
            const md before = gt(index, splat(static_cast<double>(i)));
            const vd pole = select(before, splat(s.d[i]), splat(s.d[i + 1]));
            product = product * (apart(i) / ((pole - d) * (pole + d)));
        }
        store(s.weights + j0, load(signs) * sqrt(max(product, nothing)) * one);
    }
}

FK_INLINE void store_narrow(double* p, vd a) { store(p, a); }

// Root i: right vector z_j / (d_j^2 - w_i^2), left vector d_j times that and -1 for j = 0, of unit length.
template <class T> void secular_vectors(const SvdSecularVectors<T>& s) {
    for (int64_t i0 = s.begin; i0 < s.end; i0 += VLD) {
        const vd origin = load(s.origins + i0);
        const vd x = load(s.x + i0);
        vd right = splat(0.0);
        vd left = splat(0.0);
        double* row = s.work;
        for (int j = 0; j < s.k; ++j, row += VLD) {
            const vd pole = splat(s.d[j]);
            const vd entry = splat(s.weights[j]) / fma(pole - origin, pole + origin, splat(0.0) - x);
            store(row, entry);
            right = fma(entry, entry, right);
            const vd other = j == s.zero ? splat(-1.0) : pole * entry;
            left = fma(other, other, left);
        }
        const vd right_scale = splat(1.0) / sqrt(right);
        const vd left_scale = splat(1.0) / sqrt(left);
        row = s.work;
        for (int j = 0; j < s.k; ++j, row += VLD) {
            const vd entry = load(row);
            store_narrow(s.right + j * s.ld + i0, entry * right_scale);
            store_narrow(s.left + j * s.ld + i0, (j == s.zero ? splat(-1.0) : splat(s.d[j]) * entry) * left_scale);
        }
    }
}

} // namespace
} // namespace fk::FK_ISA
