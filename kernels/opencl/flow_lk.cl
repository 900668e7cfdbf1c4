/* Pyramidal Lucas-Kanade; the formula stands in src/cpp/ops/flow_lk/flow_lk.hpp, and why an iteration around the same pixel
 * costs a dozen scalar operations in track.inl.hpp.
 *
 * flow_lk_track  one group for each point, there and (where `backward` is not 0) back again. A window is cut into strips of
 *                FK_LANES columns and some rows; a work item takes strips and carries from row to row what neighbouring rows
 *                share. The group walks from sum to sum (of the template, of the two windows, of their difference): after
 *                each all work items hold the same numbers and take the same way to the next one. So there is one place where
 *                they wait for each other, in no branch.
 *
 * Build options: FK_FLOAT (fk_frame.h); FK_LANES 1, 8, 16; FK_GROUP: most work items of a group; FK_TEMPLATE_LOCAL 1: the
 * window's template stands in local memory, 0: in global memory (windows that local memory does not hold).
 */
#include "fk_track_window.h"

/* Stages of a level. In the first three the group forms sums. */
enum { FK_TEMPLATE, FK_WINDOWS, FK_RESIDUAL, FK_ENTER, FK_MOVE, FK_MEASURE, FK_LEAVE, FK_DONE };

/* What is known of a point afterwards. */
typedef struct fk_track {
    float x, y, residual, error;
    int status, iterations;
} fk_track;

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

/* Points `first` to `end` - 1, one for each group. The frame is level 0, the other levels stand in `..._levels`. guess may be
 * null. memory: 3 * window * stride floats (local), or as many for each group (global); stride: window rounded up to FK_LANES. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
flow_lk_track(const fk_flow_lk_shape s, const int first, const int end, const int backward, __global const fk_pixel* frame0,
              __global const fk_pixel* levels0, __global const fk_pixel* frame1, __global const fk_pixel* levels1,
              __global const float* points, __global const float* guess, FK_MEMORY float* memory, __global fk_track* tracks) {
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
