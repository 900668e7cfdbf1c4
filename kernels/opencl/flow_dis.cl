/* Dense inverse search; the formulas stand in src/cpp/ops/flow_dis/flow_dis.hpp and reference.cpp.
 *
 * flow_dis_convert      level 0 from the frame, one work item a pixel
 * flow_dis_halve_frame  level 1 from the frame, FK_OUTPUTS pixels a work item; column sums of every second place are the even
 * flow_dis_halve        and odd lanes of vectors; and the levels after it
 * flow_dis_search       one work item for each patch, its 8 x 8 pixels and their gradients in registers
 * flow_dis_blend        one work item for FK_RUN pixels (at least `stride`): the patches on them, in the same order always. A
 *                       pixel gathers what the processor's patches scatter, so no two work items write to one place.
 * flow_dis_expand       the result from the finest level that was searched, one work item a pixel
 *
 * Levels are float32 planes with FK_BORDER copies of the outermost pixels on all sides; flows are (u, v) pairs, dense.
 * Build options: FK_FLOAT (fk_frame.h); FK_RUN 4, 8.
 */
#include "fk_flow_dis.h"
#include "fk_frame.h"

#ifndef FK_RUN
#define FK_RUN 8
#endif

enum { FK_PATCH = 8, FK_BORDER = 16, FK_OUTPUTS = 8 };

/* Pixel (0, 0) of a plane. */
#define FK_ORIGIN(plane, row) ((plane) + (size_t)FK_BORDER * (row) + FK_BORDER)

__kernel void flow_dis_convert(const fk_flow_dis_shape s, const int row, __global const fk_pixel* restrict frame,
                               __global float* restrict plane) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width + 2 * FK_BORDER || y >= s.height + 2 * FK_BORDER) {
        return;
    }
    const int column = clamp(x - FK_BORDER, 0, s.width - 1), line = clamp(y - FK_BORDER, 0, s.height - 1);
    plane[(size_t)y * row + x] = (float)frame[(size_t)line * s.width + column] * s.scale;
}

/* (1 4 6 4 1) / 16 both ways, mirrored at the border. */
#define FK_BINOMIAL(a, b, c, d, e) (((a) + (e)) + 4.0f * ((b) + (d)) + 6.0f * (c))
#define FK_COLUMNS(x)                                                                                                            \
    FK_BINOMIAL(convert_float16(vload16(0, rows[0] + (x))), convert_float16(vload16(0, rows[1] + (x))),                          \
                convert_float16(vload16(0, rows[2] + (x))), convert_float16(vload16(0, rows[3] + (x))),                          \
                convert_float16(vload16(0, rows[4] + (x))))
#define FK_COLUMN(x) FK_BINOMIAL((float)rows[0][x], (float)rows[1][x], (float)rows[2][x], (float)rows[3][x], (float)rows[4][x])

/* A picture of height x width pixels, the first at from[origin], -> its half with borders. */
#define FK_DEFINE_HALVE(name, type)                                                                                              \
    __kernel void name(__global const type* restrict from, const int origin, const int from_row, const int height,               \
                       const int width, const float scale, __global float* restrict plane, const int row) {                      \
        const int to_height = (height + 1) / 2, to_width = (width + 1) / 2;                                                      \
        const int x = (int)get_global_id(0) * FK_OUTPUTS - FK_BORDER;                                                            \
        const int y = (int)get_global_id(1) - FK_BORDER;                                                                         \
        if (x >= to_width + FK_BORDER || y >= to_height + FK_BORDER) {                                                           \
            return;                                                                                                              \
        }                                                                                                                        \
        const int line = clamp(y, 0, to_height - 1);                                                                             \
        __global const type* rows[5];                                                                                            \
        for (int i = 0; i < 5; ++i) {                                                                                            \
            rows[i] = from + origin + (size_t)fk_reflect(2 * line - 2 + i, height) * from_row;                                   \
        }                                                                                                                        \
        __global float* to = FK_ORIGIN(plane, row) + (long)y * row;                                                              \
        if (x > 0 && 2 * x + 18 <= width) {                                                                                      \
            const float16 left = FK_COLUMNS(2 * x - 2), middle = FK_COLUMNS(2 * x), right = FK_COLUMNS(2 * x + 2);               \
            const float8 sum = FK_BINOMIAL(left.even, left.odd, middle.even, middle.odd, right.even);                            \
            vstore8(sum * (scale / 256), 0, to + x);                                                                             \
            return;                                                                                                              \
        }                                                                                                                        \
        for (int i = x; i < min(x + FK_OUTPUTS, to_width + FK_BORDER); ++i) {                                                    \
            const int middle = 2 * clamp(i, 0, to_width - 1);                                                                    \
            const int a = fk_reflect(middle - 2, width), b = fk_reflect(middle - 1, width);                                      \
            const int d = fk_reflect(middle + 1, width), e = fk_reflect(middle + 2, width);                                      \
            to[i] = FK_BINOMIAL(FK_COLUMN(a), FK_COLUMN(b), FK_COLUMN(middle), FK_COLUMN(d), FK_COLUMN(e)) * (scale / 256);      \
        }                                                                                                                        \
    }

FK_DEFINE_HALVE(flow_dis_halve_frame, fk_pixel)
FK_DEFINE_HALVE(flow_dis_halve, float)

/* A level of both frames, pixel (0, 0) of each. */
typedef struct fk_pair {
    __global const float *from, *to;
    int row, width, height;
} fk_pair;

/* Where a patch stands in the second frame: its first pixel, and parts. Beyond the border it sees copies of the outermost pixels.
 */
typedef struct fk_place {
    __global const float* at;
    float right, down;
} fk_place;

fk_place fk_place_of(const fk_pair l, const int x, const int y, const float2 motion) {
    /* Shifted by a patch, so that truncation is the floor. */
    const float at_x = clamp((float)(x + FK_PATCH) + motion.x, 0.0f, (float)(l.width + FK_PATCH - 1));
    const float at_y = clamp((float)(y + FK_PATCH) + motion.y, 0.0f, (float)(l.height + FK_PATCH - 1));
    const int column = (int)at_x, line = (int)at_y;
    const fk_place p = {l.to + (long)(line - FK_PATCH) * l.row + (column - FK_PATCH), at_x - (float)column, at_y - (float)line};
    return p;
}

float fk_sum8(const float8 v) {
    const float4 four = v.lo + v.hi;
    const float2 two = four.lo + four.hi;
    return two.x + two.y;
}

/* A patch: pixels, gradients less their means, and the inverse of the sums of g g^T. */
typedef struct fk_patch {
    float8 i[FK_PATCH], gx[FK_PATCH], gy[FK_PATCH];
    float m11, m12, m22;
} fk_patch;

void fk_open(const fk_pair l, const int x, const int y, fk_patch* p) {
    const float damping = 1e-3f; /* (grey levels / pixel)^2: flat patches stay where they are */
    __global const float* at = l.from + (long)y * l.row + x;
    float8 sum_x = 0.0f, sum_y = 0.0f;
#pragma unroll
    for (int r = 0; r < FK_PATCH; ++r) {
        __global const float* row = at + (long)r * l.row;
        p->i[r] = vload8(0, row);
        p->gx[r] = 0.5f * (vload8(0, row + 1) - vload8(0, row - 1));
        p->gy[r] = 0.5f * (vload8(0, row + l.row) - vload8(0, row - l.row));
        sum_x += p->gx[r];
        sum_y += p->gy[r];
    }
    const float mean_x = fk_sum8(sum_x) / (FK_PATCH * FK_PATCH), mean_y = fk_sum8(sum_y) / (FK_PATCH * FK_PATCH);
    float8 xx = 0.0f, xy = 0.0f, yy = 0.0f;
#pragma unroll
    for (int r = 0; r < FK_PATCH; ++r) {
        p->gx[r] -= mean_x;
        p->gy[r] -= mean_y;
        xx = FK_FMA(p->gx[r], p->gx[r], xx);
        xy = FK_FMA(p->gx[r], p->gy[r], xy);
        yy = FK_FMA(p->gy[r], p->gy[r], yy);
    }
    const float h11 = fk_sum8(xx) + damping, h12 = fk_sum8(xy), h22 = fk_sum8(yy) + damping;
    const float scale = 1.0f / (h11 * h22 - h12 * h12);
    p->m11 = h22 * scale;
    p->m12 = -h12 * scale;
    p->m22 = h11 * scale;
}

/* (sum d, sum d^2, sum g_x d, sum g_y d) */
float4 fk_evaluate(const fk_pair l, const fk_patch* p, const fk_place q) {
    float8 s = 0.0f, e = 0.0f, x = 0.0f, y = 0.0f;
    float8 here = vload8(0, q.at);
    float8 upper = FK_FMA((float8)(q.right), vload8(0, q.at + 1) - here, here);
#pragma unroll
    for (int r = 0; r < FK_PATCH; ++r) {
        __global const float* row = q.at + (long)(r + 1) * l.row;
        here = vload8(0, row);
        const float8 lower = FK_FMA((float8)(q.right), vload8(0, row + 1) - here, here);
        const float8 d = FK_FMA((float8)(q.down), lower - upper, upper) - p->i[r];
        upper = lower;
        s += d;
        e = FK_FMA(d, d, e);
        x = FK_FMA(p->gx[r], d, x);
        y = FK_FMA(p->gy[r], d, y);
    }
    return (float4)(fk_sum8(s), fk_sum8(e), fk_sum8(x), fk_sum8(y));
}

/* coarse: the flow on the level above, or null. */
float2 fk_from_above(__global const float2* coarse, const int height, const int width, const int x, const int y) {
    if (coarse == 0) {
        return (float2)(0.0f);
    }
    const int line = min((y + FK_PATCH / 2) / 2, height - 1), column = min((x + FK_PATCH / 2) / 2, width - 1);
    return 2.0f * coarse[(size_t)line * width + column];
}

/* Patch (get_global_id(0), get_global_id(1)) of across x down -> motions [down, across]. from, to: planes of the level. */
__kernel __attribute__((vec_type_hint(float8))) void flow_dis_search(const fk_flow_dis_shape s, const int height, const int width,
                                                                     const int row, const int across, const int down,
                                                                     __global const float* from, __global const float* to,
                                                                     __global const float2* coarse, const int coarse_height,
                                                                     const int coarse_width, __global float2* motions) {
    const int i = (int)get_global_id(0);
    const int j = (int)get_global_id(1);
    if (i >= across || j >= down) {
        return;
    }
    const float furthest = 8; /* pixels from where the level above says; beyond, the patch was lost */
    const fk_pair level = {FK_ORIGIN(from, row), FK_ORIGIN(to, row), row, width, height};
    const int x = i * s.stride, y = j * s.stride;
    fk_patch patch;
    fk_open(level, x, y, &patch);
    const float2 start = fk_from_above(coarse, coarse_height, coarse_width, x, y);
    float2 at = start, best = start;
    float least = 3e38f;
    for (int t = 0; t <= s.iterations; ++t) {
        const float4 of = fk_evaluate(level, &patch, fk_place_of(level, x, y, at));
        const float error = of.y - of.x * of.x / (FK_PATCH * FK_PATCH);
        if (!(error < least)) {
            break;
        }
        least = error;
        best = at;
        at -= (float2)(patch.m11 * of.z + patch.m12 * of.w, patch.m12 * of.z + patch.m22 * of.w);
    }
    const float2 moved = best - start;
    motions[(size_t)j * across + i] = moved.x * moved.x + moved.y * moved.y <= furthest * furthest ? best : start;
}

#define FK_RUN_VECTOR FK_JOIN(float, FK_RUN)
#define FK_RUN_LOAD(pointer) FK_JOIN(vload, FK_RUN)(0, pointer)
#define FK_RUN_STORE(value, pointer) FK_JOIN(vstore, FK_RUN)(value, 0, pointer)
#if FK_RUN == 4
#define FK_RUN_RAMP (int4)(0, 1, 2, 3)
#else
#define FK_RUN_RAMP (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#endif

/* Of pixels x .. x + stride - 1 of a row the means of the motions of the patches on them, weighted by 1 / max(1, |d|). */
__kernel __attribute__((vec_type_hint(FK_RUN_VECTOR))) void
flow_dis_blend(const fk_flow_dis_shape s, const int height, const int width, const int row, const int across, const int down,
               __global const float* restrict from, __global const float* restrict to, __global const float2* restrict motions,
               __global float* restrict flow) {
    const int x = (int)get_global_id(0) * s.stride;
    const int y = (int)get_global_id(1);
    if (x >= width || y >= height) {
        return;
    }
    const fk_pair level = {FK_ORIGIN(from, row), FK_ORIGIN(to, row), row, width, height};
    const FK_RUN_VECTOR here = FK_RUN_LOAD(level.from + (long)y * row + x);
    FK_RUN_VECTOR u = 0.0f, v = 0.0f, weights = 0.0f;
    for (int j = max(0, FK_CEIL_DIV(y - FK_PATCH + 1, s.stride)); j <= min(y / s.stride, down - 1); ++j) {
        for (int i = max(0, FK_CEIL_DIV(x - FK_PATCH + 1, s.stride)); i <= min(x / s.stride, across - 1); ++i) {
            const int off_x = x - i * s.stride, off_y = y - j * s.stride;
            const float2 motion = motions[(size_t)j * across + i];
            const fk_place q = fk_place_of(level, i * s.stride, j * s.stride, motion);
            __global const float* upper = q.at + (long)off_y * row + off_x;
            __global const float* lower = upper + row;
            const FK_RUN_VECTOR a = FK_RUN_LOAD(upper), b = FK_RUN_LOAD(lower);
            const FK_RUN_VECTOR top = a + q.right * (FK_RUN_LOAD(upper + 1) - a);
            const FK_RUN_VECTOR bottom = b + q.right * (FK_RUN_LOAD(lower + 1) - b);
            const FK_RUN_VECTOR weight = 1.0f / fmax(fabs(top + q.down * (bottom - top) - here), 1.0f);
            const FK_RUN_VECTOR covered = select((FK_RUN_VECTOR)(0.0f), weight, FK_RUN_RAMP + off_x < FK_PATCH);
            u += covered * motion.x;
            v += covered * motion.y;
            weights += covered;
        }
    }
    float mean_u[FK_RUN], mean_v[FK_RUN];
    FK_RUN_STORE(u / weights, mean_u);
    FK_RUN_STORE(v / weights, mean_v);
    for (int c = 0; c < min(s.stride, width - x); ++c) {
        const size_t at = (size_t)y * width + x + c;
        vstore2((float2)(mean_u[c], mean_v[c]), at, flow);
    }
}

/* flow: on level `finest`, of coarse_height x coarse_width pixels. */
__kernel void flow_dis_expand(const fk_flow_dis_shape s, const int coarse_height, const int coarse_width,
                              __global const float2* restrict flow, __global float2* restrict result) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const int apart = 1 << s.finest;
    const int left = x >> s.finest, right = min(left + 1, coarse_width - 1);
    const int top = y >> s.finest, bottom = min(top + 1, coarse_height - 1);
    const float across = (float)(x & (apart - 1)) / (float)apart, down = (float)(y & (apart - 1)) / (float)apart;
    const float2 upper =
        (1 - across) * flow[(size_t)top * coarse_width + left] + across * flow[(size_t)top * coarse_width + right];
    const float2 lower =
        (1 - across) * flow[(size_t)bottom * coarse_width + left] + across * flow[(size_t)bottom * coarse_width + right];
    result[(size_t)y * s.width + x] = (float)apart * ((1 - down) * upper + down * lower);
}
