/* Pooling over windows; the formulas stand in src/cpp/ops/pool/pool.hpp. Arrays are dense NCHW.
 *
 * pool_reference  one work item for each output, the plain loops: the meaning of the op on a device
 * pool_direct     one work item for FK_ROWS rows of FK_LANES outputs of a plane, over a tile of the image in local memory; what
 *                 stands outside the image is -infinity for the maximum, 0 for sums
 *
 * Build options: FK_LANES, FK_ROWS, FK_INTERLEAVE (fk_window.h).
 */
#include "fk_pool.h"
#include "fk_store.h"
#include "fk_window.h"

__kernel void pool_reference(const fk_pool_shape s, __global const float* restrict x, __global float* restrict y) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const size_t plane = get_global_id(2);
    if (i >= s.oh || j >= s.ow || plane >= (size_t)s.n * s.c) {
        return;
    }
    x += plane * s.ih * s.iw;
    const int top = i * s.stride_h - s.pad_top;
    const int left = j * s.stride_w - s.pad_left;
    float value = s.kind == FK_POOL_MAX ? -INFINITY : 0.0f;
    int count = 0;
    for (int row = max(top, 0); row < min(top + s.kh, s.ih); ++row) {
        for (int column = max(left, 0); column < min(left + s.kw, s.iw); ++column, ++count) {
            const float pixel = x[(size_t)row * s.iw + column];
            if (s.kind == FK_POOL_MAX) {
                value = pixel > value || isnan(pixel) ? pixel : value;
            } else {
                value += s.kind == FK_POOL_L2 ? pixel * pixel : pixel;
            }
        }
    }
    if (s.kind == FK_POOL_AVERAGE) {
        value /= (float)(s.count_include_pad != 0 ? s.kh * s.kw : count);
    }
    y[(plane * s.oh + i) * s.ow + j] = s.kind == FK_POOL_L2 ? sqrt(value) : value;
}

/* value[r] for all rows of a work item over its windows; `pixel` is a vector of the tile. */
#define FK_OVER_WINDOW(update)                                                                                                   \
    for (int p = 0; p < s.kh; ++p, row += row_floats) {                                                                          \
        fk_columns column = columns;                                                                                             \
        for (int q = 0; q < s.kw; ++q) {                                                                                         \
            __local const float* at = row + column.at;                                                                           \
            for (int r = 0; r < FK_ROWS; ++r) {                                                                                  \
                const fk_vec pixel = FK_LOAD(at + r * s.stride_h * row_floats);                                                  \
                value[r] = update;                                                                                               \
            }                                                                                                                    \
            fk_next_column(&column);                                                                                             \
        }                                                                                                                        \
    }

/* Cells inside the image, of the window of output i along an axis. */
int fk_cells(const int i, const int stride, const int pad, const int size, const int image) {
    const int first = i * stride - pad;
    return min(first + size, image) - max(first, 0);
}

/* What the sums of output row i are divided by. */
fk_vec fk_counts(const fk_pool_shape s, const int i, const int j) {
    float count[FK_LANES];
    const int rows = fk_cells(i, s.stride_h, s.pad_top, s.kh, s.ih);
    const int left = j * s.stride_w - s.pad_left;
    const int right = left + (FK_LANES - 1) * s.stride_w + s.kw;
    if (s.count_include_pad != 0 || (rows == s.kh && left >= 0 && right <= s.iw)) {
        return (fk_vec)((float)(s.kh * s.kw));
    }
    for (int lane = 0; lane < FK_LANES; ++lane) {
        count[lane] = (float)(rows * fk_cells(j + lane, s.stride_w, s.pad_left, s.kw, s.iw));
    }
    return FK_LOAD(count);
}

/* What the windows of FK_ROWS rows of FK_LANES outputs make; `row` is where the first one's begins in the tile. */
void fk_pool_rows(const fk_pool_shape s, const fk_tile t, __local const float* restrict row, fk_vec* value) {
    const int row_floats = t.stride * t.width;
    const fk_columns columns = fk_first_column(t, 1);
#pragma unroll
    for (int r = 0; r < FK_ROWS; ++r) {
        value[r] = (fk_vec)(s.kind == FK_POOL_MAX ? -INFINITY : 0.0f);
    }
    if (s.kind == FK_POOL_MAX) {
        FK_OVER_WINDOW(select(value[r], pixel, (pixel > value[r]) | (pixel != pixel)))
    } else if (s.kind == FK_POOL_L2) {
        FK_OVER_WINDOW(FK_FMA(pixel, pixel, value[r]))
    } else {
        FK_OVER_WINDOW(value[r] + pixel)
    }
}

__kernel __attribute__((vec_type_hint(fk_vec))) void pool_direct(const fk_pool_shape s, const int columns,
                                                                 __global const float* restrict x, __global float* restrict y,
                                                                 __local float* restrict tiles) {
    const size_t plane = get_global_id(2);
    const bool exists = plane < (size_t)s.n * s.c;
    const fk_tile t = fk_tile_of(columns, s.oh, s.ow, s.stride_h, s.stride_w, s.pad_top, s.pad_left, s.kh, s.kw);
    __local float* tile = tiles + get_local_id(2) * fk_tile_floats(t);
    const float outside = s.kind == FK_POOL_MAX ? -INFINITY : 0.0f;
    if (exists) {
        fk_fill_tile(t, s.ih, s.iw, x + plane * s.ih * s.iw, outside, tile);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const int i = (int)get_global_id(1) * FK_ROWS;
    if (!exists || i >= s.oh) {
        return;
    }
    const int first = (int)get_group_id(0) * columns;
    const int end = min(first + columns, s.ow);
    for (int j = first + (int)get_local_id(0) * FK_LANES; j < end; j += (int)get_local_size(0) * FK_LANES) {
        fk_vec value[FK_ROWS];
        fk_pool_rows(s, t, tile + (get_local_id(1) * FK_ROWS * s.stride_h) * t.stride * t.width + j - first, value);
#pragma unroll
        for (int r = 0; r < FK_ROWS; ++r) {
            if (i + r < s.oh) {
                const fk_vec done = s.kind == FK_POOL_MAX  ? value[r]
                                    : s.kind == FK_POOL_L2 ? sqrt(value[r])
                                                           : value[r] / fk_counts(s, i + r, j);
                const size_t at = (plane * s.oh + i + r) * s.ow + j;
                fk_store_row(done, 0, min(FK_LANES, end - j), FK_ACTIVATION_NONE, 0.0f, y + at);
            }
        }
    }
}
