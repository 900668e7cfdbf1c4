/* The transforms of Winograd's filtering F(m x m, 3 x 3), m = FK_M (conv2d_winograd.cl), a line of FK_LANES tiles or channels at
 * once. */
#ifndef FK_WINOGRAD_H
#define FK_WINOGRAD_H

#include "fk_common.h"

#ifndef FK_M
#define FK_M 4
#endif
#define FK_SIDE (FK_M + 2)
#define FK_POINTS (FK_SIDE * FK_SIDE)

/* One line of each transform; sums of the points at -a and a share their halves. */
#if FK_M == 2
static inline void weight_line(const float g[3], float u[FK_SIDE]) {
    const float even = g[0] + g[2];
    u[0] = g[0];
    u[1] = 0.5f * (even + g[1]);
    u[2] = 0.5f * (even - g[1]);
    u[3] = g[2];
}
static inline void input_line(const fk_vec d[FK_SIDE], fk_vec v[FK_SIDE]) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
}
static inline void output_line(const fk_vec m[FK_SIDE], fk_vec y[FK_M]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
}
#else
static inline void weight_line(const float g[3], float u[FK_SIDE]) {
    const float near = g[0] + g[2];
    const float far = FK_FMA(4.0f, g[2], g[0]);
    u[0] = 0.25f * g[0];
    u[1] = (near + g[1]) * (-1.0f / 6.0f);
    u[2] = (near - g[1]) * (-1.0f / 6.0f);
    u[3] = FK_FMA(2.0f, g[1], far) * (1.0f / 24.0f);
    u[4] = FK_FMA(-2.0f, g[1], far) * (1.0f / 24.0f);
    u[5] = g[2];
}
static inline void input_line(const fk_vec d[FK_SIDE], fk_vec v[FK_SIDE]) {
    const fk_vec two = 2.0f;
    const fk_vec four = 4.0f;
    const fk_vec five = 5.0f;
    const fk_vec even = FK_FMA(-four, d[2], d[4]);
    const fk_vec odd = FK_FMA(-four, d[1], d[3]);
    const fk_vec near = d[4] - d[2];
    const fk_vec far = d[3] - d[1];
    v[0] = FK_FMA(four, d[0], FK_FMA(-five, d[2], d[4]));
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = FK_FMA(two, far, near);
    v[4] = FK_FMA(-two, far, near);
    v[5] = FK_FMA(four, d[1], FK_FMA(-five, d[3], d[5]));
}
static inline void output_line(const fk_vec m[FK_SIDE], fk_vec y[FK_M]) {
    const fk_vec s1 = m[1] + m[2];
    const fk_vec d1 = m[1] - m[2];
    const fk_vec s2 = m[3] + m[4];
    const fk_vec d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = FK_FMA((fk_vec)2.0f, d2, d1);
    y[2] = FK_FMA((fk_vec)4.0f, s2, s1);
    y[3] = FK_FMA((fk_vec)8.0f, d2, d1) + m[5];
}
#endif

/* w [oc, ic, 3, 3] -> packed [point][block of `tile` filters][ic][tile]; zeros where the last block has no filter. */
__kernel void winograd_weights(const fk_conv2d_shape s, const int tile, __global const float* restrict w,
                               __global float* restrict packed) {
    const int c = (int)get_global_id(0);
    const int o = (int)get_global_id(1);
    const int blocks = FK_CEIL_DIV(s.oc, tile);
    if (c >= s.ic || o >= blocks * tile) {
        return;
    }
    float half_way[FK_SIDE][3];
    for (int q = 0; q < 3; ++q) {
        float g[3];
        float u[FK_SIDE];
        for (int p = 0; p < 3; ++p) {
            g[p] = o < s.oc ? w[((size_t)o * s.ic + c) * 9 + p * 3 + q] : 0.0f;
        }
        weight_line(g, u);
        for (int p = 0; p < FK_SIDE; ++p) {
            half_way[p][q] = u[p];
        }
    }
    packed += ((size_t)(o / tile) * s.ic + c) * tile + o % tile;
    const size_t point = (size_t)blocks * s.ic * tile;
    for (int p = 0; p < FK_SIDE; ++p) {
        float u[FK_SIDE];
        weight_line(half_way[p], u);
        for (int q = 0; q < FK_SIDE; ++q) {
            packed[(size_t)(p * FK_SIDE + q) * point] = u[q];
        }
    }
}

#endif
