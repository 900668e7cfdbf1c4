/* The windows of tracked points (flow_lk.cl): strips of them, the template, the sums that a work item forms, and those of its
 * group. Build options as in flow_lk.cl. */
#ifndef FK_TRACK_WINDOW_H
#define FK_TRACK_WINDOW_H

#include "fk_flow_lk.h"
#include "fk_frame.h"

#if FK_TEMPLATE_LOCAL
#define FK_MEMORY __local
#else
#define FK_MEMORY __global
#endif

enum { FK_SUMS = 8 }; /* at once, at most */

/* The window in the first picture: G, sum (I - base) g, and where I - base and g stand, 0 in lanes past the window. */
typedef struct fk_template {
    float a11, a12, a22, c1, c2, base;
    FK_MEMORY float *i, *ix, *iy;
    int stride;
} fk_template;

/* A window whose first pixel is (x, y): whole part and bilinear weights. `plain`: it and a margin lie inside the picture. */
typedef struct fk_window {
    int x, y, side;
    float w00, w01, w10, w11;
    bool plain;
} fk_window;

/* Strip k of a window: columns from `column`, rows from `begin` to `end`. */
typedef struct fk_strip {
    int column, begin, end;
} fk_strip;

int fk_floor(const float v) {
    const int whole = (int)v;
    return whole - ((float)whole > v ? 1 : 0);
}

/* Whether a window with its first pixel at (x, y) touches the picture; false for what is no number. */
bool fk_touches(const fk_level of, const float x, const float y, const int window) {
    return x >= -(float)window && y >= -(float)window && x < (float)of.width && y < (float)of.height;
}

fk_window fk_window_at(const fk_level of, const float x, const float y, const int side, const int margin) {
    const int columns = FK_CEIL_DIV(side, FK_LANES) * FK_LANES;
    fk_window w = {fk_floor(x), fk_floor(y), side, 0, 0, 0, 0, false};
    const float fx = x - (float)w.x, fy = y - (float)w.y;
    w.w00 = (1 - fx) * (1 - fy);
    w.w01 = fx * (1 - fy);
    w.w10 = (1 - fx) * fy;
    w.w11 = fx * fy;
    w.plain = w.x >= margin && w.y >= margin && w.x + columns + 1 + margin <= of.width && w.y + side + 1 + margin <= of.height;
    return w;
}

int fk_strips(const int side) {
    const int chunks = FK_CEIL_DIV(side, FK_LANES);
    return chunks * max(1, min(side, (int)get_local_size(0) / chunks));
}

fk_strip fk_strip_of(const int k, const int side) {
    const int chunks = FK_CEIL_DIV(side, FK_LANES);
    const int rows = FK_CEIL_DIV(side, fk_strips(side) / chunks);
    const int begin = k / chunks * rows;
    const fk_strip strip = {k % chunks * FK_LANES, begin, min(begin + rows, side)};
    return strip;
}

/* FK_LANES pixels of a row from column x on, mirrored at the border. */
fk_vec fk_pixels_at(const fk_level of, const int x, const int y, const bool plain) {
    if (plain) {
        return FK_PIXELS(of.pixels + (size_t)y * of.width + x);
    }
    __global const fk_pixel* row = of.pixels + (size_t)fk_reflect(y, of.height) * of.width;
    float pixel[FK_LANES];
    for (int lane = 0; lane < FK_LANES; ++lane) {
        pixel[lane] = row[fk_reflect(x + lane, of.width)];
    }
    return FK_LOAD(pixel);
}

/* Zero in lanes past the window, whatever stands there. */
fk_vec fk_inside(const fk_vec v, const int column, const int side) {
    return select((fk_vec)(0.0f), v, FK_RAMP + (fk_ivec)(column) < (fk_ivec)(side));
}

float fk_total(const fk_vec v) {
#if FK_LANES == 1
    return v;
#else
#if FK_LANES == 16
    const float8 eight = v.lo + v.hi;
#else
    const float8 eight = v;
#endif
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    return two.x + two.y;
#endif
}

/* Sums over the group. */
void fk_group_sums(float* values, __local float* shared) {
#if FK_GROUP > 1
    const int me = (int)get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = 0; k < FK_SUMS; ++k) {
        shared[k * FK_GROUP + me] = values[k];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int count = (int)get_local_size(0); count > 1;) {
        const int half_count = (count + 1) / 2;
        if (me < count - half_count) {
            for (int k = 0; k < FK_SUMS; ++k) {
                shared[k * FK_GROUP + me] += shared[k * FK_GROUP + me + half_count];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        count = half_count;
    }
    for (int k = 0; k < FK_SUMS; ++k) {
        values[k] = shared[k * FK_GROUP];
    }
#endif
}

/* Scharr's gradient times 32 at columns x and x + 1 of a row, from pixels at columns x - 1 to x + 2 of the three rows around it;
 * 0 beyond the border. */
typedef struct fk_gradient {
    fk_vec x[2], y[2];
} fk_gradient;

fk_gradient fk_scharr(const fk_vec* above, const fk_vec* here, const fk_vec* below) {
    fk_vec across[4], down[4];
    for (int k = 0; k < 4; ++k) {
        across[k] = 3.0f * (above[k] + below[k]) + 10.0f * here[k];
        down[k] = below[k] - above[k];
    }
    fk_gradient g;
    for (int k = 0; k < 2; ++k) {
        g.x[k] = across[k + 2] - across[k];
        g.y[k] = 3.0f * (down[k] + down[k + 2]) + 10.0f * down[k + 1];
    }
    return g;
}

fk_gradient fk_within(fk_gradient g, const fk_level of, const int x, const int y) {
    for (int k = 0; k < 2; ++k) {
        const fk_ivec column = FK_RAMP + (fk_ivec)(x + k);
        const fk_ivec there =
            (column >= (fk_ivec)(0)) & (column < (fk_ivec)(of.width)) & (fk_ivec)(y >= 0 && y < of.height ? -1 : 0);
        g.x[k] = select((fk_vec)(0.0f), g.x[k], there);
        g.y[k] = select((fk_vec)(0.0f), g.y[k], there);
    }
    return g;
}

fk_vec fk_bilinear(const fk_window w, const fk_vec p00, const fk_vec p01, const fk_vec p10, const fk_vec p11) {
    return w.w00 * p00 + w.w01 * p01 + (w.w10 * p10 + w.w11 * p11);
}

/* The four columns x - 1 to x + 2 of a row. */
void fk_columns_at(const fk_level of, const int x, const int y, const bool plain, fk_vec* p) {
    for (int k = 0; k < 4; ++k) {
        p[k] = fk_pixels_at(of, x - 1 + k, y, plain);
    }
}

/* One strip of the template; adds to G and c. */
void fk_template_strip(const fk_level of, const fk_window w, const fk_strip strip, fk_template* t, fk_vec* sums) {
    const int x = w.x + strip.column;
    fk_vec row[3][4];
    fk_gradient upper;
    for (int r = 0; r < 3; ++r) {
        fk_columns_at(of, x, w.y + strip.begin - 1 + r, w.plain, row[r]);
    }
    upper = fk_scharr(row[0], row[1], row[2]);
    upper = w.plain ? upper : fk_within(upper, of, x, w.y + strip.begin);
    for (int r = strip.begin; r < strip.end; ++r) {
        for (int k = 0; k < 4; ++k) {
            row[0][k] = row[1][k];
            row[1][k] = row[2][k];
        }
        fk_columns_at(of, x, w.y + r + 2, w.plain, row[2]);
        fk_gradient lower = fk_scharr(row[0], row[1], row[2]);
        lower = w.plain ? lower : fk_within(lower, of, x, w.y + r + 1);
        const fk_vec i = fk_bilinear(w, row[0][1], row[0][2], row[1][1], row[1][2]) - t->base;
        const fk_vec gx = fk_bilinear(w, upper.x[0], upper.x[1], lower.x[0], lower.x[1]) * (1.0f / 32);
        const fk_vec gy = fk_bilinear(w, upper.y[0], upper.y[1], lower.y[0], lower.y[1]) * (1.0f / 32);
        upper = lower;
        const fk_vec ci = fk_inside(i, strip.column, w.side), cx = fk_inside(gx, strip.column, w.side);
        const fk_vec cy = fk_inside(gy, strip.column, w.side);
        const int at = r * t->stride + strip.column;
        FK_STORE(ci, t->i + at);
        FK_STORE(cx, t->ix + at);
        FK_STORE(cy, t->iy + at);
        sums[0] = FK_FMA(cx, cx, sums[0]);
        sums[1] = FK_FMA(cx, cy, sums[1]);
        sums[2] = FK_FMA(cy, cy, sums[2]);
        sums[3] = FK_FMA(ci, cx, sums[3]);
        sums[4] = FK_FMA(ci, cy, sums[4]);
    }
}

/* G and c of this work item's strips. */
void fk_template_sums(const fk_level of, const fk_window w, fk_template* t, float* total) {
    fk_vec sums[5];
    for (int k = 0; k < 5; ++k) {
        sums[k] = (fk_vec)(0.0f);
    }
    /* A grey level of the window: it cancels in b, and keeps the sums small. */
    const int x = fk_reflect(w.x + w.side / 2, of.width), y = fk_reflect(w.y + w.side / 2, of.height);
    t->base = of.pixels[(size_t)y * of.width + x];
    for (int k = (int)get_local_id(0); k < fk_strips(w.side); k += (int)get_local_size(0)) {
        fk_template_strip(of, w, fk_strip_of(k, w.side), t, sums);
    }
    for (int k = 0; k < 5; ++k) {
        total[k] = fk_total(sums[k]);
    }
}

/* S of track.inl.hpp, of this work item's strips: for I_x and I_y the sums at the four neighbours 00, 01, 10, 11. */
void fk_window_sums(const fk_level of, const fk_window w, const fk_template* t, float* total) {
    fk_vec sums[FK_SUMS];
    for (int k = 0; k < FK_SUMS; ++k) {
        sums[k] = (fk_vec)(0.0f);
    }
    for (int k = (int)get_local_id(0); k < fk_strips(w.side); k += (int)get_local_size(0)) {
        const fk_strip strip = fk_strip_of(k, w.side);
        const int x = w.x + strip.column;
        fk_vec left = fk_inside(fk_pixels_at(of, x, w.y + strip.begin, w.plain) - t->base, strip.column, w.side);
        fk_vec right = fk_inside(fk_pixels_at(of, x + 1, w.y + strip.begin, w.plain) - t->base, strip.column, w.side);
        for (int r = strip.begin; r < strip.end; ++r) {
            const int at = r * t->stride + strip.column;
            const fk_vec gx = FK_LOAD(t->ix + at), gy = FK_LOAD(t->iy + at);
            sums[0] = FK_FMA(left, gx, sums[0]);
            sums[1] = FK_FMA(right, gx, sums[1]);
            sums[4] = FK_FMA(left, gy, sums[4]);
            sums[5] = FK_FMA(right, gy, sums[5]);
            left = fk_inside(fk_pixels_at(of, x, w.y + r + 1, w.plain) - t->base, strip.column, w.side);
            right = fk_inside(fk_pixels_at(of, x + 1, w.y + r + 1, w.plain) - t->base, strip.column, w.side);
            sums[2] = FK_FMA(left, gx, sums[2]);
            sums[3] = FK_FMA(right, gx, sums[3]);
            sums[6] = FK_FMA(left, gy, sums[6]);
            sums[7] = FK_FMA(right, gy, sums[7]);
        }
    }
    for (int k = 0; k < FK_SUMS; ++k) {
        total[k] = fk_total(sums[k]);
    }
}

/* Absolute differences of the two windows, of this work item's strips. */
float fk_residual_sum(const fk_level of, const fk_window w, const fk_template* t) {
    fk_vec sum = (fk_vec)(0.0f);
    for (int k = (int)get_local_id(0); k < fk_strips(w.side); k += (int)get_local_size(0)) {
        const fk_strip strip = fk_strip_of(k, w.side);
        const int x = w.x + strip.column;
        for (int r = strip.begin; r < strip.end; ++r) {
            const int y = w.y + r;
            const fk_vec j = fk_bilinear(w, fk_pixels_at(of, x, y, w.plain), fk_pixels_at(of, x + 1, y, w.plain),
                                         fk_pixels_at(of, x, y + 1, w.plain), fk_pixels_at(of, x + 1, y + 1, w.plain));
            const fk_vec i = FK_LOAD(t->i + r * t->stride + strip.column) + t->base;
            sum += fk_inside(fabs(j - i), strip.column, w.side);
        }
    }
    return fk_total(sum);
}

#endif
