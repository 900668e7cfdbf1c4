/* Flow by Horn and Schunck; the formulas stand in src/cpp/ops/flow_hs/flow_hs.hpp and reference.cpp.
 *
 * flow_hs_derive  gradients, divided by sqrt(alpha^2 + Ix^2 + Iy^2), as (gx, gy, gt, 0)
 * flow_hs_step    a step of Jacobi's method from one flow to another
 *
 * One work item a pixel; flows are (u, v) pairs, dense. Build options: FK_FLOAT (fk_frame.h).
 */
#include "fk_flow_hs.h"
#include "fk_frame.h"

__kernel void flow_hs_derive(const fk_flow_hs_shape s, __global const fk_pixel* restrict prev,
                             __global const fk_pixel* restrict next, __global float4* restrict gradients) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const size_t at = (size_t)y * s.width + x;
    const int right = x + 1 < s.width ? 1 : 0, below = y + 1 < s.height ? s.width : 0;
    const float p00 = s.scale * prev[at], p01 = s.scale * prev[at + right];
    const float p10 = s.scale * prev[at + below], p11 = s.scale * prev[at + below + right];
    const float q00 = s.scale * next[at], q01 = s.scale * next[at + right];
    const float q10 = s.scale * next[at + below], q11 = s.scale * next[at + below + right];
    const float ix = ((p01 - p00) + (p11 - p10) + (q01 - q00) + (q11 - q10)) / 4;
    const float iy = ((p10 - p00) + (p11 - p01) + (q10 - q00) + (q11 - q01)) / 4;
    const float it = ((q00 - p00) + (q01 - p01) + (q10 - p10) + (q11 - p11)) / 4;
    gradients[at] = (float4)(ix, iy, it, 0) / sqrt(s.alpha * s.alpha + ix * ix + iy * iy);
}

__kernel void flow_hs_step(const fk_flow_hs_shape s, __global const float4* restrict gradients,
                           __global const float2* restrict from, __global float2* restrict to) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const size_t at = (size_t)y * s.width + x;
    __global const float2* here = from + (size_t)y * s.width;
    __global const float2* above = from + (size_t)max(y - 1, 0) * s.width;
    __global const float2* below = from + (size_t)min(y + 1, s.height - 1) * s.width;
    const int l = max(x - 1, 0), r = min(x + 1, s.width - 1);
    const float2 sides = above[x] + below[x] + here[l] + here[r];
    const float2 corners = above[l] + above[r] + below[l] + below[r];
    const float2 mean = sides / 6.0f + corners / 12.0f;
    const float4 g = gradients[at];
    to[at] = mean - g.xy * (g.x * mean.x + g.y * mean.y + g.z);
}
