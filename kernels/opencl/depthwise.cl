/* Depthwise convolution; the formula stands in src/cpp/ops/depthwise/depthwise.hpp. Arrays are dense NCHW.
 *
 * depthwise_reference  one work item for each output, the plain loops: the meaning of the op on a device
 * depthwise_direct     one work item for FK_ROWS rows of FK_LANES outputs of a plane, over a tile of the image in local memory
 *
 * Build options: FK_LANES, FK_ROWS, FK_INTERLEAVE (fk_window.h).
 */
#include "fk_depthwise_tile.h"
#include "fk_store.h"

__kernel void depthwise_reference(const fk_depthwise_shape s, __global const float* restrict x, __global const float* restrict w,
                                  __global const float* restrict bias, __global const float* restrict residual,
                                  __global float* restrict y) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const size_t plane = get_global_id(2); /* image * oc + filter */
    if (i >= s.oh || j >= s.ow || plane >= (size_t)s.n * s.oc) {
        return;
    }
    const int o = (int)(plane % s.oc);
    x += plane / (s.oc / s.c) * s.ih * s.iw;
    const float sum = fk_depthwise_sum(s, x, w + (size_t)o * s.kh * s.kw, bias != 0 ? bias[o] : 0.0f, i, j);
    const size_t at = (plane * s.oh + i) * s.ow + j;
    y[at] = fk_activate(residual != 0 ? sum + residual[at] : sum, s.activation, s.alpha);
}

__kernel __attribute__((vec_type_hint(fk_vec))) void
depthwise_direct(const fk_depthwise_shape s, const int columns, __global const float* restrict x, __global const float* restrict w,
                 __global const float* restrict bias, __global const float* restrict residual, __global float* restrict y,
                 __local float* restrict tiles) {
    const size_t plane = get_global_id(2); /* image * oc + filter */
    const bool exists = plane < (size_t)s.n * s.oc;
    const fk_tile t = fk_tile_of(columns, s.oh, s.ow, s.stride_h, s.stride_w, s.pad_top, s.pad_left, (s.kh - 1) * s.dilation_h + 1,
                                 (s.kw - 1) * s.dilation_w + 1);
    __local float* tile = tiles + get_local_id(2) * fk_tile_floats(t);
    x += exists ? plane / (s.oc / s.c) * s.ih * s.iw : 0;
    if (exists) {
        fk_fill_tile(t, s.ih, s.iw, x, 0.0f, tile);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const int i = (int)get_global_id(1) * FK_ROWS;
    if (!exists || i >= s.oh) {
        return;
    }
    const int o = (int)(plane % s.oc);
    const float start = bias != 0 ? bias[o] : 0.0f;
    const int first = (int)get_group_id(0) * columns;
    const int end = min(first + columns, s.ow);
    for (int j = first + (int)get_local_id(0) * FK_LANES; j < end; j += (int)get_local_size(0) * FK_LANES) {
        fk_vec sum[FK_ROWS];
        fk_depthwise_rows(s, t, tile, (int)get_local_id(1) * FK_ROWS, j - first, i, j, x, w + (size_t)o * s.kh * s.kw, start, sum);
#pragma unroll
        for (int r = 0; r < FK_ROWS; ++r) {
            if (i + r < s.oh) {
                const size_t at = (plane * s.oh + i + r) * s.ow + j;
                fk_store_row(sum[r], residual != 0 ? residual + at : 0, min(FK_LANES, end - j), s.activation, s.alpha, y + at);
            }
        }
    }
}
