/* Fully connected layer; the formula stands in src/cpp/ops/dense/dense.hpp. x [n, in], w [out, in], y [n, out], dense.
 *
 * dense_matvec    a team of work items for FK_OUTPUTS outputs of up to FK_IMAGES rows of x: every weight is read once for all
 * dense_bfloat16  rounds weights as dense::round_bfloat16() does: integers alone, so that no device rounds otherwise
 *
 * Build options: FK_LANES, FK_OUTPUTS, FK_IMAGES, FK_TEAM (fk_team.h), FK_BFLOAT16 (fk_weights.h).
 */
#include "fk_dense.h"
#include "fk_team.h"
#include "fk_weights.h"

#ifndef FK_OUTPUTS
#define FK_OUTPUTS 1
#endif
#ifndef FK_IMAGES
#define FK_IMAGES 1
#endif

/* The nearest finite bfloat16, ties to even; NaN stays NaN, infinity infinity. */
__kernel void dense_bfloat16(const fk_dense_shape s, __global const uint* restrict w, __global ushort* restrict rounded) {
    const size_t i = get_global_id(0);
    if (i < (size_t)s.out * s.in) {
        const uint exponent = 0x7f800000u;
        const uint bits = w[i];
        uint nearest = bits + 0x7fffu + ((bits >> 16) & 1u);
        if ((bits & exponent) == exponent) {
            nearest = (bits & 0x7fffffu) != 0 ? bits | 0x400000u : bits;
        } else if ((nearest & exponent) == exponent) {
            nearest = bits;
        }
        rounded[i] = (ushort)(nearest >> 16);
    }
}

__kernel void dense_matvec(const fk_dense_shape s, __global const float* restrict x, __global const fk_weight* restrict w,
                           __global const float* restrict bias, __global float* restrict y, __local float* shared) {
    const int first = (int)get_global_id(1) * FK_OUTPUTS;
    const int whole = s.in / FK_LANES * FK_LANES;
    fk_vec sum[FK_IMAGES][FK_OUTPUTS];
    __global const fk_weight* row[FK_OUTPUTS];
    for (int o = 0; o < FK_OUTPUTS; ++o) {
        row[o] = w + (size_t)min(first + o, s.out - 1) * s.in; /* past the last output: that again, not stored */
        for (int n = 0; n < FK_IMAGES; ++n) {
            sum[n][o] = (fk_vec)(0.0f);
        }
    }
    for (int i = FK_TEAM_ITEM * FK_LANES; i < whole; i += FK_TEAM_ITEMS * FK_LANES) {
        fk_vec weight[FK_OUTPUTS];
#pragma unroll
        for (int o = 0; o < FK_OUTPUTS; ++o) {
            weight[o] = FK_WEIGHTS(row[o] + i);
        }
#pragma unroll
        for (int n = 0; n < FK_IMAGES; ++n) {
            const fk_vec value = FK_LOAD(x + (size_t)min(n, s.n - 1) * s.in + i);
#pragma unroll
            for (int o = 0; o < FK_OUTPUTS; ++o) {
                sum[n][o] = FK_FMA(value, weight[o], sum[n][o]);
            }
        }
    }
    for (int o = 0; o < FK_OUTPUTS; ++o) {
        for (int n = 0; n < FK_IMAGES; ++n) {
            float one = fk_lanes_sum(sum[n][o]);
            for (int i = whole + FK_TEAM_ITEM; i < s.in; i += FK_TEAM_ITEMS) {
                one = FK_FMA(x[(size_t)min(n, s.n - 1) * s.in + i], FK_WEIGHT(row[o] + i), one);
            }
            one = fk_team_sum(one, shared);
            if (FK_TEAM_ITEM == 0 && first + o < s.out && n < s.n) {
                one += bias != 0 ? bias[first + o] : 0.0f;
                y[(size_t)n * s.out + first + o] = fk_activate(one, s.activation, s.alpha);
            }
        }
    }
}
