/* Pyramidal Lucas-Kanade; the formula stands in src/cpp/ops/flow_lk/flow_lk.hpp, and why an iteration around the same pixel
 * costs a dozen scalar operations in track.inl.hpp.
 *
 * flow_lk_track  one group for each point, there and (where `backward` is not 0) back again. A window is cut into strips of
 *                FK_LANES columns and some rows; a work item takes strips and carries from row to row what neighbouring rows
 *                share. The group walks from sum to sum (of the template, of the two windows, of their difference): after
 *                each all work items hold the same numbers and take the same way to the next one. So there is one place where
 *                they wait for each other, in no branch.
 *
 * Build options: FK_FLOAT (fk_frame.h); FK_LANES 1, 8, 16; FK_GROUP: most work items of a group; FK_TEMPLATE_LOCAL 1: the window's
 * template stands in local memory, 0: in global memory (windows that local memory does not hold).
 */
#include "fk_flow_lk.h"
#include "fk_frame.h"

#if FK_TEMPLATE_LOCAL
#define FK_MEMORY __local
#else
#define FK_MEMORY __global
#endif

/* Stages of a level. In the first three the group forms sums. */
enum { FK_TEMPLATE, FK_WINDOWS, FK_RESIDUAL, FK_ENTER, FK_MOVE, FK_MEASURE, FK_LEAVE, FK_DONE };

enum { FK_SUMS = 8 }; /* at once, at most */

/* What is known of a point afterwards. */
typedef struct fk_track {
    float x, y, residual, error;
    int status, iterations;
} fk_track;

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

/* Scharr's gradient times 32 at columns x and x + 1 of a row, from pixels at columns x - 1 to x + 2 of the three rows around it; 0
 * beyond the border. */
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
        const fk_ivec there = (column >= (fk_ivec)(0)) & (column < (fk_ivec)(of.width)) & (fk_ivec)(y >= 0 && y < of.height ? -1 : 0);
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

/* Where a point stands on its way; the same in all work items of its group. */
typedef struct fk_walk {
    int stage, level, step, way; /* way 0: there, 1: back */
    bool found;                  /* on this level */
    float scale;                 /* of the level, 2^-level */
    float2 point, state;         /* in the picture it comes from, level 0; estimate in the other one, this level */
    float2 last;                 /* step before */
    int at_x, at_y;              /* whole pixel that `sums` are of */
    float sums[FK_SUMS];         /* S */
    float residual;
    int iterations;
} fk_walk;

fk_walk fk_begin(const int levels, const int way, const float2 point, const float2 guess) {
    fk_walk walk;
    walk.stage = FK_ENTER;
    walk.level = levels;
    walk.step = 0;
    walk.way = way;
    walk.found = false;
    walk.scale = 1.0f / (float)(1 << levels);
    walk.point = point;
    walk.state = guess * walk.scale;
    walk.last = (float2)(0.0f);
    walk.at_x = walk.at_y = 0;
    walk.residual = 0;
    walk.iterations = 0;
    return walk;
}

/* Whether the window has two directions. */
bool fk_textured(const fk_flow_lk_shape s, const fk_template* t) {
    const float difference = t->a11 - t->a22;
    const float root = sqrt(difference * difference + 4 * t->a12 * t->a12);
    const float eigenvalue = (t->a11 + t->a22 - root) / (2 * 1024 * (float)(s.window * s.window));
    return eigenvalue >= s.min_eigenvalue && t->a11 * t->a22 - t->a12 * t->a12 > 0;
}

/* One step of the estimate with the sums at hand; the next stage. */
int fk_step(const fk_flow_lk_shape s, const fk_window w, const fk_template* t, fk_walk* walk) {
    const float det = t->a11 * t->a22 - t->a12 * t->a12;
    const float* S = walk->sums;
    const float b1 = (w.w00 * S[0] + w.w01 * S[1]) + (w.w10 * S[2] + w.w11 * S[3]) - t->c1;
    const float b2 = (w.w00 * S[4] + w.w01 * S[5]) + (w.w10 * S[6] + w.w11 * S[7]) - t->c2;
    const float2 d = (float2)((t->a12 * b2 - t->a22 * b1) / det, (t->a12 * b1 - t->a11 * b2) / det);
    walk->state += d;
    ++walk->iterations;
    const bool back = walk->step > 0 && fabs(d.x + walk->last.x) < 0.01f && fabs(d.y + walk->last.y) < 0.01f;
    walk->last = d;
    ++walk->step;
    const bool small = d.x * d.x + d.y * d.y <= s.epsilon * s.epsilon;
    walk->state -= !small && back ? 0.5f * d : (float2)(0.0f);
    if (!small && !back && walk->step < s.iterations) {
        return FK_MOVE;
    }
    walk->found = true;
    return walk->level == 0 ? FK_MEASURE : FK_LEAVE;
}

fk_window fk_window_of(const fk_flow_lk_shape s, const fk_level of, const float2 middle, const int margin) {
    const float2 corner = middle - 0.5f * (float)(s.window - 1);
    return fk_window_at(of, corner.x, corner.y, s.window, margin);
}

bool fk_sees(const fk_flow_lk_shape s, const fk_level of, const float2 middle) {
    const float2 corner = middle - 0.5f * (float)(s.window - 1);
    return fk_touches(of, corner.x, corner.y, s.window);
}

/* Onwards to where the group has to form sums again, or the level ends. */
void fk_advance(const fk_flow_lk_shape s, const fk_level from, const fk_level to, const fk_template* t, fk_walk* walk) {
    if (walk->stage == FK_ENTER) {
        walk->step = 0;
        walk->found = false;
        walk->at_x = INT_MIN; /* there are no sums yet */
        walk->stage = fk_sees(s, from, walk->point * walk->scale) ? FK_TEMPLATE : FK_LEAVE;
    }
    while (walk->stage == FK_MOVE) {
        if (!fk_sees(s, to, walk->state)) {
            walk->stage = FK_LEAVE;
            break;
        }
        const fk_window w = fk_window_of(s, to, walk->state, 0);
        const bool known = w.x == walk->at_x && w.y == walk->at_y;
        walk->at_x = w.x;
        walk->at_y = w.y;
        walk->stage = known ? fk_step(s, w, t, walk) : FK_WINDOWS;
    }
    if (walk->stage == FK_MEASURE) {
        walk->found = fk_sees(s, to, walk->state);
        walk->stage = walk->found ? FK_RESIDUAL : FK_LEAVE;
    }
}

/* What follows from the sums of a stage. */
void fk_digest(const fk_flow_lk_shape s, const float* sums, fk_template* t, fk_walk* walk) {
    if (walk->stage == FK_TEMPLATE) {
        t->a11 = sums[0];
        t->a12 = sums[1];
        t->a22 = sums[2];
        t->c1 = sums[3];
        t->c2 = sums[4];
        walk->stage = fk_textured(s, t) ? FK_MOVE : FK_LEAVE;
    } else if (walk->stage == FK_WINDOWS) {
        for (int k = 0; k < FK_SUMS; ++k) {
            walk->sums[k] = sums[k];
        }
        walk->stage = FK_MOVE;
    } else if (walk->stage == FK_RESIDUAL) {
        walk->residual = sums[0] / (float)(s.window * s.window);
        walk->stage = FK_LEAVE;
    }
    if (walk->stage == FK_LEAVE) {
        const bool last = walk->level == 0;
        walk->stage = last ? FK_DONE : FK_ENTER;
        walk->level -= last ? 0 : 1;
        walk->scale *= last ? 1 : 2;
        walk->state *= last ? 1.0f : 2.0f;
    }
}

/* The way there has ended: what is known of the point, and the way back, where there is one. */
void fk_turn(const fk_flow_lk_shape s, const int backward, fk_walk* walk, fk_track* track) {
    const float2 found = walk->state;
    track->x = found.x;
    track->y = found.y;
    track->residual = walk->found ? walk->residual : NAN;
    track->error = NAN;
    track->status = walk->found ? 1 : 0;
    track->iterations = walk->iterations;
    if (backward != 0 && walk->found) {
        *walk = fk_begin(s.levels, 1, found, found);
    }
}

/* Points `first` to `end` - 1, one for each group. The frame is level 0, the other levels stand in `..._levels`. guess may be null.
 * memory: 3 * window * stride floats (local), or as many for each group (global); stride: window rounded up to FK_LANES. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
flow_lk_track(const fk_flow_lk_shape s, const int first, const int end, const int backward,
              __global const fk_pixel* frame0, __global const fk_pixel* levels0, __global const fk_pixel* frame1,
              __global const fk_pixel* levels1, __global const float* points, __global const float* guess,
              FK_MEMORY float* memory, __global fk_track* tracks) {
#if FK_GROUP > 1
    __local float shared[FK_SUMS * FK_GROUP];
#else
    __local float* shared = 0;
#endif
    const int index = first + (int)get_group_id(0);
    if (index >= end) {
        return;
    }
    const int stride = FK_CEIL_DIV(s.window, FK_LANES) * FK_LANES;
    const int plane = s.window * stride;
#if !FK_TEMPLATE_LOCAL
    memory += get_group_id(0) * 3 * (size_t)plane;
#endif
    fk_template t = {0, 0, 0, 0, 0, 0, memory, memory + plane, memory + 2 * plane, stride};
    const float2 point = vload2(index, points);
    fk_walk walk = fk_begin(s.levels, 0, point, guess != 0 ? vload2(index, guess) : point);
    fk_track track;
    while (walk.stage != FK_DONE) {
        const bool there = walk.way == 0;
        const fk_level from = fk_level_of(s.frame, there ? frame0 : frame1, there ? levels0 : levels1, walk.level);
        const fk_level to = fk_level_of(s.frame, there ? frame1 : frame0, there ? levels1 : levels0, walk.level);
        fk_advance(s, from, to, &t, &walk);
        float sums[FK_SUMS] = {0, 0, 0, 0, 0, 0, 0, 0};
        if (walk.stage == FK_TEMPLATE) {
            fk_template_sums(from, fk_window_of(s, from, walk.point * walk.scale, 1), &t, sums);
        } else if (walk.stage == FK_WINDOWS) {
            fk_window_sums(to, fk_window_of(s, to, walk.state, 0), &t, sums);
        } else if (walk.stage == FK_RESIDUAL) {
            sums[0] = fk_residual_sum(to, fk_window_of(s, to, walk.state, 0), &t);
        }
        fk_group_sums(sums, shared);
        fk_digest(s, sums, &t, &walk);
        if (walk.stage == FK_DONE && walk.way == 0) {
            fk_turn(s, backward, &walk, &track);
        } else if (walk.stage == FK_DONE) {
            track.error = walk.found ? hypot(walk.state.x - point.x, walk.state.y - point.y) : NAN;
        }
    }
    if (get_local_id(0) == 0) {
        tracks[index] = track;
    }
}
