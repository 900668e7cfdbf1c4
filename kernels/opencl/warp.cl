/* Affine views of a picture; the formula stands in src/cpp/ops/warp/warp.hpp, the order of the float32 operations in its
 * reference.cpp: results have the same bits as the processor's. image [ih, iw, channels], y [count, oh, ow, channels], dense.
 *
 * warp_origins  one work item for each run of FK_WARP_RUN outputs: where its samples lie, in float64. A device without
 *               float64 gets them from the processor: a few bytes for each output
 * warp_sample   one work item for each output element: the mean of its bilinear samples
 *
 * Build options: FK_PIXEL_FLOAT and those of fk_exact.h.
 */
#include "fk_exact.h"
#include "fk_warp.h"

#if FK_FP64
fk_warp_origin fk_origin_at(const double x, const double y) {
    /* Under this bound every coordinate fits an int with room for a run's steps. */
    const double far = (double)(1 << 29);
    const double inside_x = fmin(fmax(x, -far), far);
    const double inside_y = fmin(fmax(y, -far), far);
    const double column = floor(inside_x);
    const double row = floor(inside_y);
    const fk_warp_origin origin = {(int)column, (int)row, (float)(inside_x - column), (float)(inside_y - row)};
    return origin;
}

/* matrices [count, 6] */
__kernel void warp_origins(const fk_warp_shape s, __global const double* restrict m, __global const fk_warp_view* restrict views,
                           __global fk_warp_origin* restrict origins) {
    const int run = (int)get_global_id(0);
    const int row = (int)get_global_id(1);
    const int picture = (int)get_global_id(2);
    const int runs = (s.ow + FK_WARP_RUN - 1) / FK_WARP_RUN;
    if (run >= runs || row >= s.oh || picture >= s.count) {
        return;
    }
    const fk_warp_view view = views[picture];
    m += 6 * (size_t)picture;
    origins += view.first + ((size_t)row * runs + run) * view.across * view.down;
    for (int i = 0; i < view.down; ++i) {
        for (int j = 0; j < view.across; ++j) {
            const double u = run * FK_WARP_RUN + (j + 0.5) / view.across - 0.5;
            const double v = row + (i + 0.5) / view.down - 0.5;
            *origins++ = fk_origin_at(m[0] * u + m[1] * v + m[2], m[3] * u + m[4] * v + m[5]);
        }
    }
}
#endif

int fk_floor(const float v) {
    const int whole = (int)v;
    return (float)whole > v ? whole - 1 : whole;
}

/* A neighbour of weight 0 does not matter, even where it is infinite or no number. */
float fk_blend(const float near, const float far, const float part) {
    return part > 0.0f ? near * (1.0f - part) + far * part : near;
}

float fk_at(const fk_warp_shape s, __global const fk_pixel* x, const int row, const int column) {
    const bool inside = row >= 0 && row < s.ih && column >= 0 && column < s.iw;
    if (!inside && s.border != FK_WARP_REPLICATE) {
        return s.fill;
    }
    return (float)x[((size_t)clamp(row, 0, s.ih - 1) * s.iw + clamp(column, 0, s.iw - 1)) * s.channels];
}

/* x: the channel's first element */
float fk_sample(const fk_warp_shape s, __global const fk_pixel* x, const fk_warp_origin origin, const float column_step,
                const float row_step, const float steps) {
    const float across = origin.x + steps * column_step;
    const float down = origin.y + steps * row_step;
    const int whole_across = fk_floor(across);
    const int whole_down = fk_floor(down);
    const float part = across - (float)whole_across;
    const int column = origin.column + whole_across;
    const int row = origin.row + whole_down;
    const float above = fk_blend(fk_at(s, x, row, column), fk_at(s, x, row, column + 1), part);
    const float below = fk_blend(fk_at(s, x, row + 1, column), fk_at(s, x, row + 1, column + 1), part);
    return fk_blend(above, below, down - (float)whole_down);
}

__kernel void warp_sample(const fk_warp_shape s, __global const fk_warp_view* restrict views,
                          __global const fk_warp_origin* restrict origins, __global const fk_pixel* restrict x,
                          __global fk_pixel* restrict y) {
    const int e = (int)get_global_id(0); /* column * channels + channel */
    const int row = (int)get_global_id(1);
    const int picture = (int)get_global_id(2);
    if (e >= s.ow * s.channels || row >= s.oh || picture >= s.count) {
        return;
    }
    const fk_warp_view view = views[picture];
    const int samples = view.across * view.down;
    const int column = e / s.channels;
    const int runs = (s.ow + FK_WARP_RUN - 1) / FK_WARP_RUN;
    const float steps = (float)(column % FK_WARP_RUN);
    origins += view.first + ((size_t)row * runs + column / FK_WARP_RUN) * samples;
    x += e % s.channels;
    float sum = fk_sample(s, x, origins[0], view.step_x, view.step_y, steps);
    for (int k = 1; k < samples; ++k) {
        sum += fk_sample(s, x, origins[k], view.step_x, view.step_y, steps);
    }
    y[((size_t)picture * s.oh + row) * s.ow * s.channels + e] = FK_PUT(FK_DIVIDE(sum, (float)samples));
}
