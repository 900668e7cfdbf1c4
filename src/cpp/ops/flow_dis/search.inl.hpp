// Inverse search of a row of patches.
//
// Several patches, from parts of the row that lie apart, are moved together: the chain of an evaluation, from position through
// loads, differences and sums to the next position, is longer than its work, and they hide each other's waiting. (Whole calls
// with two patches in ZMM registers in place of four: 4 % longer; with one in YMM registers in place of two: 15 %.)
// Gradients are less their means, so that their products with the differences need no mean of those. An evaluation is nine
// rows of two loads, and for each vector 18 operations across, 24 down and 32 for the sums.
#pragma once

#include "ops/flow_dis/pair.inl.hpp"

namespace fk::FK_ISA {
namespace {

constexpr float pixels_of_patch = dis_patch * dis_patch;
constexpr float damping = 1e-3F; // of the matrix, (grey levels / pixel)^2: flat patches stay where they are
constexpr float furthest = 8;    // pixels from where the level above says; beyond, the patch was lost

struct Patches {
    const float* at[together]; // their first pixels in `from`
    px i[dis_patch], gx[dis_patch], gy[dis_patch];
    float m11[together], m12[together], m22[together]; // inverse of the sums of g g^T
};

FK_INLINE void open(const DisSearch& a, const int* x, Patches& p) {
    for (int k = 0; k < together; ++k) {
        p.at[k] = a.from + a.y * a.row + x[k];
    }
    px sum_x = all(0), sum_y = all(0);
    px above = load_px(p.at, -a.row);
    p.i[0] = load_px(p.at, 0);
    FK_UNROLL
    for (int r = 0; r < dis_patch; ++r) {
        const px below = load_px(p.at, (r + 1) * a.row);
        p.gx[r] = all(0.5F) * (load_px(p.at, r * a.row + 1) - load_px(p.at, r * a.row - 1));
        p.gy[r] = all(0.5F) * (below - above);
        sum_x = sum_x + p.gx[r];
        sum_y = sum_y + p.gy[r];
        above = p.i[r];
        if (r + 1 < dis_patch) {
            p.i[r + 1] = below;
        }
    }
    Sums g[together];
    sums(sum_x, sum_y, sum_x, sum_y, g);
    float mean_x[together], mean_y[together];
    for (int k = 0; k < together; ++k) {
        mean_x[k] = g[k].s / pixels_of_patch;
        mean_y[k] = g[k].e / pixels_of_patch;
    }
    px xx = all(0), xy = all(0), yy = all(0);
    FK_UNROLL
    for (int r = 0; r < dis_patch; ++r) {
        p.gx[r] = p.gx[r] - each(mean_x);
        p.gy[r] = p.gy[r] - each(mean_y);
        xx = fma(p.gx[r], p.gx[r], xx);
        xy = fma(p.gx[r], p.gy[r], xy);
        yy = fma(p.gy[r], p.gy[r], yy);
    }
    sums(xx, xy, yy, yy, g);
    for (int k = 0; k < together; ++k) {
        const float h11 = g[k].s + damping, h12 = g[k].e, h22 = g[k].x + damping;
        const float scale = 1.0F / (h11 * h22 - h12 * h12);
        p.m11[k] = h22 * scale;
        p.m12[k] = -h12 * scale;
        p.m22[k] = h11 * scale;
    }
}

// Where patches stand in `to`: whole pixels, and parts. Beyond the border they see copies of the outermost pixels.
struct Places {
    const float* at[together];
    float right[together], down[together];
};

FK_INLINE float within(float v, float low, float high) {
    v = v > low ? v : low;
    return v < high ? v : high;
}

FK_INLINE Places places(const DisSearch& a, const int* x, const float* u, const float* v) {
    Places p;
    for (int k = 0; k < together; ++k) {
        // Shifted by a patch, so that truncation is the floor.
        const float at_x = within(static_cast<float>(x[k] + dis_patch) + u[k], 0, static_cast<float>(a.width + dis_patch - 1));
        const float at_y = within(static_cast<float>(a.y + dis_patch) + v[k], 0, static_cast<float>(a.height + dis_patch - 1));
        const int column = static_cast<int>(at_x), line = static_cast<int>(at_y);
        p.right[k] = at_x - static_cast<float>(column);
        p.down[k] = at_y - static_cast<float>(line);
        p.at[k] = a.to + (line - dis_patch) * a.row + (column - dis_patch);
    }
    return p;
}

// next(r, d): the differences of row r, moved patch less patch.
template <class Next> FK_INLINE void differences(const DisSearch& a, const Patches& p, const Places& q, Next&& next) {
    const px right = each(q.right), down = each(q.down);
    const auto across = [&](int r) {
        const px here = load_px(q.at, r * a.row);
        return fma(right, load_px(q.at, r * a.row + 1) - here, here);
    };
    px upper = across(0);
    FK_UNROLL
    for (int r = 0; r < dis_patch; ++r) {
        const px lower = across(r + 1);
        next(r, fma(down, lower - upper, upper) - p.i[r]);
        upper = lower;
    }
}

FK_INLINE void evaluate(const DisSearch& a, const Patches& p, const Places& q, Sums* to) {
    px s = all(0), e = all(0), x = all(0), y = all(0);
    differences(a, p, q, [&](int r, px d) {
        s = s + d;
        e = fma(d, d, e);
        x = fma(p.gx[r], d, x);
        y = fma(p.gy[r], d, y);
    });
    sums(s, e, x, y, to);
}

// Weights 1 / max(1, |difference|), and what they bring to the sums.
FK_INLINE void spread(const DisSearch& a, const Patches& p, const int* x, const float* u, const float* v, int count) {
    float *to_u[together], *to_v[together], *to[together];
    for (int k = 0; k < together; ++k) {
        to_u[k] = a.sum_u + x[k];
        to_v[k] = a.sum_v + x[k];
        to[k] = a.sum + x[k];
    }
    const px along = each(u), down = each(v);
    differences(a, p, places(a, x, u, v), [&](int r, px d) {
        const px weight = reciprocal(max(abs(d), all(1)));
        add_px(to_u, r * a.sum_row, weight * along, count);
        add_px(to_v, r * a.sum_row, weight * down, count);
        add_px(to, r * a.sum_row, weight, count);
    });
}

struct Motion {
    float u[together], v[together];
};

FK_INLINE Motion from_above(const DisSearch& a, const int* x) {
    Motion m = {};
    if (a.coarse_u != nullptr) {
        const int row = (a.y + dis_patch / 2) / 2;
        const int64_t line = (row < a.coarse_height ? row : a.coarse_height - 1) * a.coarse_row;
        for (int k = 0; k < together; ++k) {
            const int column = (x[k] + dis_patch / 2) / 2;
            const int64_t at = line + (column < a.coarse_width ? column : a.coarse_width - 1);
            m.u[k] = 2 * a.coarse_u[at];
            m.v[k] = 2 * a.coarse_v[at];
        }
    }
    return m;
}

// Steps of each patch until its squared differences, less their mean, fall no more.
FK_INLINE Motion descend(const DisSearch& a, const Patches& p, const int* x, const Motion& start) {
    Motion at = start, best = start;
    float least[together];
    bool moving[together];
    for (int k = 0; k < together; ++k) {
        least[k] = 3e38F;
        moving[k] = true;
    }
    bool any = true;
    for (int t = 0; t <= a.iterations && any; ++t) {
        Sums of[together];
        evaluate(a, p, places(a, x, at.u, at.v), of);
        any = false;
        for (int k = 0; k < together; ++k) {
            const float error = of[k].e - of[k].s * of[k].s / pixels_of_patch;
            moving[k] = moving[k] && error < least[k];
            if (moving[k]) {
                least[k] = error;
                best.u[k] = at.u[k];
                best.v[k] = at.v[k];
                at.u[k] -= p.m11[k] * of[k].x + p.m12[k] * of[k].y;
                at.v[k] -= p.m12[k] * of[k].x + p.m22[k] * of[k].y;
                any = true;
            }
        }
    }
    for (int k = 0; k < together; ++k) {
        const float du = best.u[k] - start.u[k], dv = best.v[k] - start.v[k];
        if (!(du * du + dv * dv <= furthest * furthest)) {
            best.u[k] = start.u[k];
            best.v[k] = start.v[k];
        }
    }
    return best;
}

void search_row(const DisSearch& a) {
    const int apart = (a.patches + together - 1) / together;
    for (int i = 0; i < apart; ++i) {
        int x[together];
        int count = 0; // the first so many are there: only the last ones may be missing
        for (int k = 0; k < together; ++k) {
            const bool there = i + k * apart < a.patches;
            x[k] = (there ? i + k * apart : i) * a.stride;
            count += there ? 1 : 0;
        }
        Patches p;
        open(a, x, p);
        const Motion found = descend(a, p, x, from_above(a, x));
        spread(a, p, x, found.u, found.v, count);
    }
}

} // namespace
} // namespace fk::FK_ISA
