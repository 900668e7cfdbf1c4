// The plain meaning of the steps of the refinement, as flow_refine.hpp writes them.

#include "base/isa.hpp"
#include "ops/flow_refine/leaf.hpp"

namespace fk::scalar {

const RefineKernels* flow_refine_reference();

namespace {

float within(float v, int n) { return v < 0 ? 0 : v > static_cast<float>(n - 1) ? static_cast<float>(n - 1) : v; }
float square(float v) { return v * v; }
float inverse_sqrt(float v) { return 1 / __builtin_sqrtf(v); }

void warp(const RefineWarp& a) {
    for (int x = 0; x < a.width; ++x) {
        const float at_x = within(static_cast<float>(x) + a.u[x], a.width);
        const float at_y = within(static_cast<float>(a.y) + a.v[x], a.height);
        const int column = static_cast<int>(at_x), line = static_cast<int>(at_y);
        const float right = at_x - static_cast<float>(column), down = at_y - static_cast<float>(line);
        const float* p = a.to + line * a.to_row + column;
        const float top = p[0] + right * (p[1] - p[0]);
        const float bottom = p[a.to_row] + right * (p[a.to_row + 1] - p[a.to_row]);
        const float moved = top + down * (bottom - top);
        a.mean[x] = (a.from[x] + moved) / 2;
        a.difference[x] = moved - a.from[x];
    }
    for (int i = 1; i <= 2; ++i) {
        a.mean[-i] = a.mean[0];
        a.difference[-i] = a.difference[0];
        a.mean[a.width - 1 + i] = a.mean[a.width - 1];
        a.difference[a.width - 1 + i] = a.difference[a.width - 1];
    }
}

void smooth(const RefineSmooth& a) {
    for (int x = 0; x < a.width; ++x) {
        const float u = square(a.u[x + 1] - a.u[x]) + square(a.below_u[x] - a.u[x]);
        const float v = square(a.v[x + 1] - a.v[x]) + square(a.below_v[x] - a.v[x]);
        a.smoothness[x] = a.half_alpha * inverse_sqrt(u + v + a.epsilon2);
    }
}

struct Equations {
    float a11, a12, a22, b1, b2;

    // weight (p (u - u0) + q (v - v0) + r)^2
    void add(float weight, float p, float q, float r) {
        a11 += weight * p * p;
        a12 += weight * p * q;
        a22 += weight * q * q;
        b1 -= weight * p * r;
        b2 -= weight * q * r;
    }
};

Equations data_terms(const RefineSystem& a, int x) {
    const auto m = [&](int row, int column) { return a.mean[2 + row][x + column]; };
    const auto d = [&](int row, int column) { return a.difference[1 + row][x + column]; };
    const float ix = (m(0, 1) - m(0, -1)) / 2, iy = (m(1, 0) - m(-1, 0)) / 2, iz = d(0, 0);
    const float xx = (m(0, 2) - 2 * m(0, 0) + m(0, -2)) / 4, yy = (m(2, 0) - 2 * m(0, 0) + m(-2, 0)) / 4;
    const float xy = (m(1, 1) - m(1, -1) - m(-1, 1) + m(-1, -1)) / 4;
    const float xz = (d(0, 1) - d(0, -1)) / 2, yz = (d(1, 0) - d(-1, 0)) / 2;
    const float n = 1 / (square(ix) + square(iy) + a.zeta2);
    const float n1 = 1 / (square(xx) + square(xy) + a.zeta2), n2 = 1 / (square(xy) + square(yy) + a.zeta2);
    const float brightness = a.delta * inverse_sqrt(n * square(iz) + a.epsilon2);
    const float gradient = a.gamma * inverse_sqrt(n1 * square(xz) + n2 * square(yz) + a.epsilon2);
    Equations e{.a11 = a.hold, .a12 = 0, .a22 = a.hold, .b1 = 0, .b2 = 0};
    e.add(brightness * n, ix, iy, iz);
    e.add(gradient * n1, xx, xy, xz);
    e.add(gradient * n2, xy, yy, yz);
    return e;
}

void system(const RefineSystem& a) {
    float left = 0;
    for (int x = 0; x < a.width; ++x) {
        const int p = x & 1, i = x / 2;
        const Equations e = data_terms(a, x);
        const float across = x < a.width - 1 ? a.smoothness[x] + a.smoothness[x + 1] : 0;
        const float down = a.last_row != 0 ? 0 : a.smoothness[x] + a.smoothness_below[x];
        const float weights = left + across + a.down_above[p][i] + down;
        const float m11 = e.a11 + weights, m22 = e.a22 + weights;
        const float scale = a.omega / (m11 * m22 - e.a12 * e.a12);
        a.to.u[p][i] = a.u[x];
        a.to.v[p][i] = a.v[x];
        a.to.m11[p][i] = scale * m22;
        a.to.m12[p][i] = -scale * e.a12;
        a.to.m22[p][i] = scale * m11;
        a.to.b1[p][i] = e.b1 + e.a11 * a.u[x] + e.a12 * a.v[x];
        a.to.b2[p][i] = e.b2 + e.a12 * a.u[x] + e.a22 * a.v[x];
        a.to.across[p][i] = across;
        a.to.down[p][i] = down;
        left = across;
    }
}

void relax(const RefineRelax& a) {
    const int p = a.parity, o = 1 - p;
    for (int i = 0; i < a.count; ++i) {
        const int left = i + p - 1, right = i + p;
        const float to_left = a.row.across[o][left], to_right = a.row.across[p][i];
        const float to_above = a.down_above[i], to_below = a.row.down[p][i];
        const float su = a.row.b1[p][i] + to_left * a.row.u[o][left] + to_right * a.row.u[o][right] + to_above * a.above_u[i] +
                         to_below * a.below_u[i];
        const float sv = a.row.b2[p][i] + to_left * a.row.v[o][left] + to_right * a.row.v[o][right] + to_above * a.above_v[i] +
                         to_below * a.below_v[i];
        a.row.u[p][i] = (1 - a.omega) * a.row.u[p][i] + a.row.m11[p][i] * su + a.row.m12[p][i] * sv;
        a.row.v[p][i] = (1 - a.omega) * a.row.v[p][i] + a.row.m12[p][i] * su + a.row.m22[p][i] * sv;
    }
}

void merge(const RefineMerge& a) {
    for (int x = 0; x < a.width; ++x) {
        a.u[x] = a.row.u[x & 1][x / 2];
        a.v[x] = a.row.v[x & 1][x / 2];
    }
    a.u[a.width] = a.u[a.width - 1];
    a.v[a.width] = a.v[a.width - 1];
}

constexpr RefineKernels table{&warp, &smooth, &system, &relax, &merge};

} // namespace

const RefineKernels* flow_refine_reference() { return &table; }

} // namespace fk::scalar
