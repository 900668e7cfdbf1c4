/* Sums of depthwise convolution, plainly and over a tile of the image in local memory (fk_window.h). */
#ifndef FK_DEPTHWISE_TILE_H
#define FK_DEPTHWISE_TILE_H

#include "fk_depthwise.h"
#include "fk_window.h"

/* Bias and sum over the window of output (i, j) of a plane, cells outside the image left out. */
float fk_depthwise_sum(const fk_depthwise_shape s, __global const float* restrict x, __global const float* restrict w, float sum,
                       const int i, const int j) {
    for (int p = 0; p < s.kh; ++p) {
        for (int q = 0; q < s.kw; ++q) {
            const int row = i * s.stride_h + p * s.dilation_h - s.pad_top;
            const int column = j * s.stride_w + q * s.dilation_w - s.pad_left;
            if (row >= 0 && row < s.ih && column >= 0 && column < s.iw) {
                sum = FK_FMA(x[(size_t)row * s.iw + column], w[p * s.kw + q], sum);
            }
        }
    }
    return sum;
}

/* The same for a row of FK_LANES outputs: an infinite weight must not meet the zeros that the tile has outside the image. */
fk_vec fk_sums_of_inside(const fk_depthwise_shape s, __global const float* restrict x, __global const float* restrict w,
                         const float start, const int i, const int j) {
    float value[FK_LANES];
    for (int lane = 0; lane < FK_LANES; ++lane) {
        value[lane] = fk_depthwise_sum(s, x, w, start, i, j + lane);
    }
    return FK_LOAD(value);
}

/* The sums of FK_ROWS rows of FK_LANES outputs from (i, j) on, which is output (row, column) of the tile. */
void fk_depthwise_rows(const fk_depthwise_shape s, const fk_tile t, __local const float* restrict tile, const int row,
                       const int column, const int i, const int j, __global const float* restrict x,
                       __global const float* restrict w, const float start, fk_vec* sum) {
    const int row_floats = t.stride * t.width;
    __local const float* line = tile + row * s.stride_h * row_floats + column;
    const fk_columns columns = fk_first_column(t, s.dilation_w);
    float odd = 0.0f; /* NaN if a weight is not finite */
#pragma unroll
    for (int r = 0; r < FK_ROWS; ++r) {
        sum[r] = (fk_vec)(start);
    }
    for (int p = 0; p < s.kh; ++p, line += s.dilation_h * row_floats) {
        fk_columns column_of = columns;
        for (int q = 0; q < s.kw; ++q) {
            const fk_vec weight = (fk_vec)(w[p * s.kw + q]);
            __local const float* at = line + column_of.at;
            odd = FK_FMA(w[p * s.kw + q], 0.0f, odd);
#pragma unroll
            for (int r = 0; r < FK_ROWS; ++r) {
                sum[r] = FK_FMA(FK_LOAD(at + r * s.stride_h * row_floats), weight, sum[r]);
            }
            fk_next_column(&column_of);
        }
    }
    if (isnan(odd)) {
        /* Unrolled like all loops over the sums: an index that is no constant would put them into memory. */
#pragma unroll
        for (int r = 0; r < FK_ROWS; ++r) {
            sum[r] = fk_sums_of_inside(s, x, w, start, i + r, j);
        }
    }
}

#endif
