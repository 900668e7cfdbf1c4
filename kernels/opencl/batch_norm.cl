/* Batch normalisation; the formula stands in src/cpp/ops/batch_norm/batch_norm.hpp. x and y are dense NCHW; y may be x.
 *
 * batch_norm_fold      scale and shift of each channel, once
 * batch_norm_scale     one work item for FK_LANES pixels of a plane
 * batch_norm_features  one work item for each number, where planes are of one pixel
 *
 * Build options: FK_LANES.
 */
#include "fk_batch_norm.h"
#include "fk_store.h"

/* factors [c][scale, shift] */
__kernel void batch_norm_fold(const fk_batch_norm_shape s, __global const float* restrict gamma,
                              __global const float* restrict beta, __global const float* restrict mean,
                              __global const float* restrict variance, __global float* restrict factors) {
    const size_t c = get_global_id(0);
    if (c < (size_t)s.c) {
        const float scale = gamma[c] / sqrt(variance[c] + s.epsilon);
        factors[2 * c] = scale;
        factors[2 * c + 1] = FK_FMA(-mean[c], scale, beta[c]);
    }
}

__kernel __attribute__((vec_type_hint(fk_vec))) void
batch_norm_scale(const fk_batch_norm_shape s, __global const float* x, __global const float* restrict factors, __global float* y) {
    const int pixels = s.ih * s.iw;
    const int first = (int)get_global_id(0) * FK_LANES;
    const size_t plane = get_global_id(1);
    if (first < pixels && plane < (size_t)s.n * s.c) {
        const size_t c = plane % s.c;
        const size_t at = plane * pixels + first;
        const int lanes = min(FK_LANES, pixels - first);
        const fk_vec value = FK_FMA(fk_load_row(x + at, lanes), (fk_vec)(factors[2 * c]), (fk_vec)(factors[2 * c + 1]));
        fk_store_row(value, 0, lanes, s.activation, s.alpha, y + at);
    }
}

__kernel void batch_norm_features(const fk_batch_norm_shape s, __global const float* x, __global const float* restrict factors,
                                  __global float* y) {
    const size_t c = get_global_id(0);
    const size_t image = get_global_id(1);
    if (c < (size_t)s.c && image < (size_t)s.n) {
        const size_t at = image * s.c + c;
        y[at] = fk_activate(FK_FMA(x[at], factors[2 * c], factors[2 * c + 1]), s.activation, s.alpha);
    }
}
