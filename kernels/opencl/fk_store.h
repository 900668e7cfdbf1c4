/* The end of a layer: a residual, the activation, and a vector of which only a part may exist. */
#ifndef FK_STORE_H
#define FK_STORE_H

#include "fk_common.h"

/* Stores the first `lanes` of act(sum + residual); residual may be null. */
void fk_store_row(fk_vec sum, __global const float* residual, const int lanes, const int activation, const float alpha,
                  __global float* y) {
    float value[FK_LANES];
    if (residual != 0) {
        if (lanes == FK_LANES) {
            sum += FK_LOAD(residual);
        } else {
            FK_STORE(sum, value);
            for (int lane = 0; lane < lanes; ++lane) {
                value[lane] += residual[lane];
            }
            sum = FK_LOAD(value);
        }
    }
    sum = fk_activate_vec(sum, activation, alpha);
    if (lanes == FK_LANES) {
        FK_STORE(sum, y);
        return;
    }
    FK_STORE(sum, value);
    for (int lane = 0; lane < lanes; ++lane) {
        y[lane] = value[lane];
    }
}

/* The same where the vector's numbers go into planes that lie `plane` apart. */
void fk_store_planes(fk_vec sum, __global const float* residual, const size_t plane, const int lanes, const int activation,
                     const float alpha, __global float* y) {
    float value[FK_LANES];
    if (residual != 0) {
        FK_STORE(sum, value);
        for (int lane = 0; lane < lanes; ++lane) {
            value[lane] += residual[lane * plane];
        }
        sum = FK_LOAD(value);
    }
    FK_STORE(fk_activate_vec(sum, activation, alpha), value);
    for (int lane = 0; lane < lanes; ++lane) {
        y[lane * plane] = value[lane];
    }
}

/* The first `lanes` of a vector, zeros in the others. */
fk_vec fk_load_row(__global const float* x, const int lanes) {
    if (lanes == FK_LANES) {
        return FK_LOAD(x);
    }
    float value[FK_LANES];
    for (int lane = 0; lane < FK_LANES; ++lane) {
        value[lane] = lane < lanes ? x[lane] : 0.0f;
    }
    return FK_LOAD(value);
}

#endif
