/* Pooling over whole planes; the formulas stand in src/cpp/ops/global_pool/global_pool.hpp. x is dense NCHW, y [n, c].
 *
 * global_pool_whole  a team of work items for each plane, which passes over it in vectors of FK_LANES
 *
 * Build options: FK_LANES, FK_TEAM (fk_team.h).
 */
#include "fk_global_pool.h"
#include "fk_team.h"

__kernel void global_pool_whole(const fk_global_pool_shape s, __global const float* restrict x, __global float* restrict y,
                                __local float* shared) {
    const size_t plane = get_global_id(1);
    const bool exists = plane < (size_t)s.n * s.c;
    const int pixels = s.ih * s.iw;
    const int whole = pixels / FK_LANES * FK_LANES;
    const bool largest = s.kind == FK_GLOBAL_POOL_MAX;
    x += exists ? plane * pixels : 0;
    fk_vec value = (fk_vec)(largest ? -INFINITY : 0.0f);
    for (int i = FK_TEAM_ITEM * FK_LANES; i < whole; i += FK_TEAM_ITEMS * FK_LANES) {
        const fk_vec pixel = FK_LOAD(x + i);
        value = largest ? select(value, pixel, (pixel > value) | (pixel != pixel)) : value + pixel;
    }
    float one = largest ? fk_lanes_max(value) : fk_lanes_sum(value);
    for (int i = whole + FK_TEAM_ITEM; i < pixels; i += FK_TEAM_ITEMS) {
        one = !largest ? one + x[i] : x[i] > one || isnan(x[i]) ? x[i] : one;
    }
    one = largest ? fk_team_max(one, shared) : fk_team_sum(one, shared);
    if (exists && FK_TEAM_ITEM == 0) {
        y[plane] = largest ? one : one / (float)pixels;
    }
}
