/* A step of the variational refinement; the formulas stand in src/cpp/ops/flow_refine/flow_refine.hpp and reference.cpp.
 *
 * flow_refine_warp    mean and difference of the first frame and the moved second one
 * flow_refine_smooth  alpha psi' of the smoothness term
 * flow_refine_system  the linear equations, of FK_LANES pixels of a colour in a row a work item
 * flow_refine_relax   half a sweep of red-black successive over-relaxation, FK_LANES pixels of a row a work item: pixels of one
 *                     colour, which do not see each other, so that the order of updates is the processor's
 * flow_refine_merge   unknowns -> flow
 *
 * The others: one work item a pixel. Frames are planes as in flow_dis.cl, flows (u, v) pairs, dense. Unknowns and equations stand
 * with the even columns of a row before its odd ones, so that the pixels of a colour are neighbours: FK_PLANES planes of height +
 * 2 rows, the first and the last of zeros, each of twice fk_cols(width) numbers, FK_SIDE or more zeros at both ends. So no half
 * sweep asks where the border is: there the weights are zero.
 *
 * Build options: FK_LANES 1, 8 (fk_common.h).
 */
#include "fk_flow_refine.h"
#include "fk_frame.h"

enum { FK_BORDER = 16, FK_SIDE = 8 };
enum { FK_U, FK_V, FK_M11, FK_M12, FK_M22, FK_B1, FK_B2, FK_ACROSS, FK_DOWN, FK_PLANES };

/* As in flow_refine.cpp. */
#define FK_EPSILON2 (0.01f * 0.01f)
#define FK_ZETA2 (0.1f * 0.1f)
#define FK_HOLD 1e-3f

/* from, to: planes, row: floats from a row of theirs to the next. */
__kernel void flow_refine_warp(const fk_flow_refine_shape s, const int row, __global const float* restrict from,
                               __global const float* restrict to, __global const float2* restrict flow,
                               __global float* restrict mean, __global float* restrict difference) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const size_t origin = (size_t)FK_BORDER * row + FK_BORDER, at = (size_t)y * s.width + x;
    const float2 motion = flow[at];
    const float at_x = clamp((float)x + motion.x, 0.0f, (float)(s.width - 1));
    const float at_y = clamp((float)y + motion.y, 0.0f, (float)(s.height - 1));
    const int column = (int)at_x, line = (int)at_y;
    const float right = at_x - (float)column, down = at_y - (float)line;
    __global const float* p = to + origin + (size_t)line * row + column;
    const float top = p[0] + right * (p[1] - p[0]);
    const float bottom = p[row] + right * (p[row + 1] - p[row]);
    const float moved = top + down * (bottom - top);
    const float here = from[origin + (size_t)y * row + x];
    mean[at] = 0.5f * (here + moved);
    difference[at] = moved - here;
}

/* Differences forward, 0 beyond the border. */
__kernel void flow_refine_smooth(const fk_flow_refine_shape s, __global const float2* restrict flow,
                                 __global float* restrict smoothness) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const size_t at = (size_t)y * s.width + x;
    const float2 here = flow[at];
    const float2 across = flow[at + (x + 1 < s.width ? 1 : 0)] - here;
    const float2 down = flow[at + (y + 1 < s.height ? s.width : 0)] - here;
    const float2 squares = across * across + down * down;
    smoothness[at] = 0.5f * s.alpha * rsqrt(squares.x + squares.y + FK_EPSILON2);
}

/* FK_LANES values of a row, those of columns x, x + 2, x + 4, ...; beyond the border the outermost. inside: there is no border up
 * to two columns around all that a vector load reaches. */
fk_vec fk_every_second(__global const float* row, const int x, const int width, const bool inside) {
#if FK_LANES == 8
    if (inside) {
        return vload16(0, row + x).even;
    }
#endif
    float value[FK_LANES];
    for (int lane = 0; lane < FK_LANES; ++lane) {
        value[lane] = row[clamp(x + 2 * lane, 0, width - 1)];
    }
    return FK_LOAD(value);
}

/* The same of one component (0: u, 1: v) of a flow. */
fk_vec fk_component(__global const float* row, const int x, const int width, const bool inside, const int component) {
#if FK_LANES == 8
    if (inside) {
        const float16 near = vload16(0, row + 2 * x + component), far = vload16(0, row + 2 * x + 15 + component);
        return (float8)(near.even.even, far.odd.even);
    }
#endif
    float value[FK_LANES];
    for (int lane = 0; lane < FK_LANES; ++lane) {
        value[lane] = row[2 * clamp(x + 2 * lane, 0, width - 1) + component];
    }
    return FK_LOAD(value);
}

/* Pixels' matrices and right sides. */
typedef struct fk_equations {
    fk_vec a11, a12, a22, b1, b2;
} fk_equations;

/* weight (p (u - u0) + q (v - v0) + r)^2 */
void fk_add(fk_equations* e, const fk_vec weight, const fk_vec p, const fk_vec q, const fk_vec r) {
    e->a11 += weight * p * p;
    e->a12 += weight * p * q;
    e->a22 += weight * q * q;
    e->b1 -= weight * p * r;
    e->b2 -= weight * q * r;
}

/* Value (row y + dy, column x + dx) of a plane. */
#define FK_AT(plane, dx, dy)                                                                                                     \
    fk_every_second((plane) + (size_t)clamp(y + (dy), 0, s.height - 1) * s.width, x + (dx), s.width, inside)

fk_equations fk_data_terms(const fk_flow_refine_shape s, __global const float* mean, __global const float* difference,
                           const int x, const int y, const bool inside) {
    const fk_vec m = FK_AT(mean, 0, 0), iz = FK_AT(difference, 0, 0);
    const fk_vec ix = 0.5f * (FK_AT(mean, 1, 0) - FK_AT(mean, -1, 0)), iy = 0.5f * (FK_AT(mean, 0, 1) - FK_AT(mean, 0, -1));
    const fk_vec xx = 0.25f * (FK_AT(mean, 2, 0) - 2.0f * m + FK_AT(mean, -2, 0));
    const fk_vec yy = 0.25f * (FK_AT(mean, 0, 2) - 2.0f * m + FK_AT(mean, 0, -2));
    const fk_vec xy = 0.25f * (FK_AT(mean, 1, 1) - FK_AT(mean, -1, 1) - FK_AT(mean, 1, -1) + FK_AT(mean, -1, -1));
    const fk_vec xz = 0.5f * (FK_AT(difference, 1, 0) - FK_AT(difference, -1, 0));
    const fk_vec yz = 0.5f * (FK_AT(difference, 0, 1) - FK_AT(difference, 0, -1));
    const fk_vec n = 1.0f / (ix * ix + iy * iy + FK_ZETA2);
    const fk_vec n1 = 1.0f / (xx * xx + xy * xy + FK_ZETA2), n2 = 1.0f / (xy * xy + yy * yy + FK_ZETA2);
    const fk_vec brightness = s.delta * rsqrt(n * iz * iz + FK_EPSILON2);
    const fk_vec gradient = s.gamma * rsqrt(n1 * xz * xz + n2 * yz * yz + FK_EPSILON2);
    const fk_vec hold = (fk_vec)(FK_HOLD), zero = (fk_vec)(0.0f);
    fk_equations e = {hold, zero, hold, zero, zero};
    fk_add(&e, brightness * n, ix, iy, iz);
    fk_add(&e, gradient * n1, xx, xy, xz);
    fk_add(&e, gradient * n2, xy, yy, yz);
    return e;
}

int fk_cols(const int width) { return FK_CEIL_DIV((width + 1) / 2, FK_SIDE) * FK_SIDE + 2 * FK_SIDE; }

size_t fk_plane_of(const fk_flow_refine_shape s) { return ((size_t)s.height + 2) * 2 * fk_cols(s.width); }

/* Column x = 2 i + parity of row y among the unknowns. */
size_t fk_place(const fk_flow_refine_shape s, const int i, const int parity, const int y) {
    return ((size_t)(y + 1) * 2 + parity) * fk_cols(s.width) + FK_SIDE + i;
}

/* Zero in lanes where `there` is not. */
#define FK_WHERE(there, value) select((fk_vec)(0.0f), value, there)

/* Work item (i / FK_LANES, 2 y + parity) of all the places, those around the picture included. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
flow_refine_system(const fk_flow_refine_shape s, __global const float* restrict mean, __global const float* restrict difference,
                   __global const float* restrict flow, __global const float* restrict smoothness,
                   __global float* restrict system) {
    const int i = (int)get_global_id(0) * FK_LANES - FK_SIDE;
    const int parity = (int)get_global_id(1) & 1;
    const int x = 2 * i + parity;
    const int y = (int)get_global_id(1) / 2 - 1;
    if (i >= fk_cols(s.width) - FK_SIDE || y > s.height) {
        return;
    }
    const size_t plane = fk_plane_of(s);
    __global float* to = system + fk_place(s, i, parity, y);
    if (y < 0 || y >= s.height) {
        for (int k = 0; k < FK_PLANES; ++k) {
            FK_STORE((fk_vec)(0.0f), to + k * plane);
        }
        return;
    }
    const bool inside = x >= 2 && x + 2 + 16 <= s.width;
    const fk_ivec column = 2 * FK_RAMP + (fk_ivec)(x);
    const fk_ivec there = (column >= (fk_ivec)(0)) & (column < (fk_ivec)(s.width));
    const fk_vec u = fk_component(flow + (size_t)y * s.width * 2, x, s.width, inside, 0);
    const fk_vec v = fk_component(flow + (size_t)y * s.width * 2, x, s.width, inside, 1);
    const fk_vec smooth = FK_AT(smoothness, 0, 0);
    const fk_vec left = FK_WHERE(column > (fk_ivec)(0), smooth + FK_AT(smoothness, -1, 0));
    const fk_vec right = FK_WHERE(column < (fk_ivec)(s.width - 1), smooth + FK_AT(smoothness, 1, 0));
    const fk_vec above = (y > 0 ? 1.0f : 0.0f) * (smooth + FK_AT(smoothness, 0, -1));
    const fk_vec below = (y + 1 < s.height ? 1.0f : 0.0f) * (smooth + FK_AT(smoothness, 0, 1));
    const fk_vec weights = left + right + above + below;
    const fk_equations e = fk_data_terms(s, mean, difference, x, y, inside);
    const fk_vec m11 = e.a11 + weights, m22 = e.a22 + weights;
    const fk_vec scale = s.omega / (m11 * m22 - e.a12 * e.a12);
    FK_STORE(FK_WHERE(there, u), to + FK_U * plane);
    FK_STORE(FK_WHERE(there, v), to + FK_V * plane);
    FK_STORE(FK_WHERE(there, scale * m22), to + FK_M11 * plane);
    FK_STORE(FK_WHERE(there, -scale * e.a12), to + FK_M12 * plane);
    FK_STORE(FK_WHERE(there, scale * m11), to + FK_M22 * plane);
    FK_STORE(FK_WHERE(there, e.b1 + e.a11 * u + e.a12 * v), to + FK_B1 * plane);
    FK_STORE(FK_WHERE(there, e.b2 + e.a12 * u + e.a22 * v), to + FK_B2 * plane);
    FK_STORE(FK_WHERE(there, right), to + FK_ACROSS * plane);
    FK_STORE(FK_WHERE(there, below), to + FK_DOWN * plane);
}

/* What a neighbour at `from` brings, by the weight at `weight`. */
#define FK_PULL(weight, from)                                                                                                    \
    {                                                                                                                            \
        const fk_vec w = FK_LOAD(weight);                                                                                        \
        su = FK_FMA(w, FK_LOAD((from) + FK_U * plane), su);                                                                      \
        sv = FK_FMA(w, FK_LOAD((from) + FK_V * plane), sv);                                                                      \
    }

/* half_sweep: even ones take the pixels with x + y even. */
__kernel __attribute__((vec_type_hint(fk_vec))) void flow_refine_relax(const fk_flow_refine_shape s, const int half_sweep,
                                                                       __global float* system) {
    const int i = (int)get_global_id(0) * FK_LANES;
    const int y = (int)get_global_id(1);
    if (i >= (s.width + 1) / 2 || y >= s.height) {
        return;
    }
    const int parity = (y + half_sweep) & 1;
    const size_t plane = fk_plane_of(s), line = 2 * (size_t)fk_cols(s.width);
    __global float* here = system + fk_place(s, i, parity, y);
    __global float* right = system + fk_place(s, i + parity, 1 - parity, y);
    __global float* left = right - 1;
    __global float* above = here - line;
    fk_vec su = FK_LOAD(here + FK_B1 * plane), sv = FK_LOAD(here + FK_B2 * plane);
    FK_PULL(left + FK_ACROSS * plane, left)
    FK_PULL(here + FK_ACROSS * plane, right)
    FK_PULL(above + FK_DOWN * plane, above)
    FK_PULL(here + FK_DOWN * plane, here + line)
    const fk_vec m11 = FK_LOAD(here + FK_M11 * plane), m12 = FK_LOAD(here + FK_M12 * plane), m22 = FK_LOAD(here + FK_M22 * plane);
    const fk_vec kept = (fk_vec)(1 - s.omega);
    const fk_vec u = FK_FMA(kept, FK_LOAD(here + FK_U * plane), FK_FMA(m11, su, m12 * sv));
    const fk_vec v = FK_FMA(kept, FK_LOAD(here + FK_V * plane), FK_FMA(m12, su, m22 * sv));
    FK_STORE(u, here + FK_U * plane);
    FK_STORE(v, here + FK_V * plane);
}

__kernel void flow_refine_merge(const fk_flow_refine_shape s, __global const float* restrict system,
                                __global float2* restrict flow) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    __global const float* from = system + fk_place(s, x / 2, x & 1, y);
    flow[(size_t)y * s.width + x] = (float2)(from[0], from[fk_plane_of(s)]);
}
