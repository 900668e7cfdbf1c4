/* The end of a layer: a residual, the activation, and a vector of which only a part may exist. */
#ifndef FK_STORE_H
#define FK_STORE_H

#include "fk_common.h"

/* The first `lanes` of a vector whose numbers stand `step` apart, zeros in the others. */
fk_vec fk_load_steps(__global const float* x, const size_t step, const int lanes) {
    float value[FK_LANES];
#pragma unroll
    for (int lane = 0; lane < FK_LANES; ++lane) {
        value[lane] = lane < lanes ? x[lane * step] : 0.0f;
    }
    return FK_LOAD(value);
}

fk_vec fk_load_row(__global const float* x, const int lanes) {
    return lanes == FK_LANES ? FK_LOAD(x) : fk_load_steps(x, 1, lanes);
}

void fk_store_steps(const fk_vec v, const size_t step, const int lanes, __global float* y) {
    float value[FK_LANES];
    FK_STORE(v, value);
#pragma unroll
    for (int lane = 0; lane < FK_LANES; ++lane) {
        if (lane < lanes) {
            y[lane * step] = value[lane];
        }
    }
}

/* Stores the first `lanes` of act(sum + residual); residual may be null. */
void fk_store_row(fk_vec sum, __global const float* residual, const int lanes, const int activation, const float alpha,
                  __global float* y) {
    if (residual != 0) {
        sum += fk_load_row(residual, lanes);
    }
    sum = fk_activate_vec(sum, activation, alpha);
    if (lanes == FK_LANES) {
        FK_STORE(sum, y);
    } else {
        fk_store_steps(sum, 1, lanes, y);
    }
}

/* The same where the vector's numbers go into planes that lie `plane` apart. */
void fk_store_planes(fk_vec sum, __global const float* residual, const size_t plane, const int lanes, const int activation,
                     const float alpha, __global float* y) {
    if (residual != 0) {
        sum += fk_load_steps(residual, plane, lanes);
    }
    fk_store_steps(fk_activate_vec(sum, activation, alpha), plane, lanes, y);
}

#endif
