/* Pictures of another size; the formulas stand in src/cpp/ops/resize/resize.hpp, the order of the float32 operations in its
 * reference.cpp: results have the same bits as the processor's. Arrays are dense [height, width, channels].
 *
 * resize_direct   one work item for each output element: down each of its columns, then along them. A source column is summed
 *                 for the one or two outputs that reach it, so little is done twice
 * resize_columns  for pictures made much narrower, where neighbouring outputs lie far apart in the source: one work item for
 *                 each source element of an output row, so that neighbours read neighbouring pixels;
 * resize_rows     then along these sums, one work item for each output element
 *
 * Build options: FK_PIXEL_FLOAT and those of fk_exact.h.
 */
#include "fk_exact.h"
#include "fk_resize.h"

float fk_weight(const int k, const fk_resize_taps t) { return k == 0 ? t.head : k == t.count - 1 ? t.tail : 1.0f; }

/* Down a column, from the first of its rows. */
float fk_down(__global const fk_pixel* x, const size_t row_elements, const fk_resize_taps rows) {
    float sum = (float)x[0] * rows.head;
    for (int k = 1; k < rows.count; ++k) {
        sum += (float)x[k * row_elements] * fk_weight(k, rows);
    }
    return sum;
}

__kernel void resize_direct(const fk_resize_shape s, const float divisor, __global const fk_resize_taps* restrict rows,
                            __global const fk_resize_taps* restrict columns, __global const fk_pixel* restrict x,
                            __global fk_pixel* restrict y) {
    const int e = (int)get_global_id(0); /* column * channels + channel */
    const int i = (int)get_global_id(1);
    if (e >= s.ow * s.channels || i >= s.oh) {
        return;
    }
    const size_t row_elements = (size_t)s.iw * s.channels;
    const fk_resize_taps down = rows[i];
    const fk_resize_taps across = columns[e / s.channels];
    x += down.first * row_elements + (size_t)across.first * s.channels + e % s.channels;
    float total = 0.0f;
    for (int k0 = 0; k0 < across.count; k0 += FK_RESIZE_PARTIAL) {
        const int end = min(across.count, k0 + FK_RESIZE_PARTIAL);
        float part = fk_down(x + (size_t)k0 * s.channels, row_elements, down) * fk_weight(k0, across);
        for (int k = k0 + 1; k < end; ++k) {
            part += fk_down(x + (size_t)k * s.channels, row_elements, down) * fk_weight(k, across);
        }
        total = k0 == 0 ? part : total + part;
    }
    y[(size_t)i * s.ow * s.channels + e] = FK_PUT(FK_DIVIDE(total, divisor));
}

/* sums [oh, iw * channels] */
__kernel void resize_columns(const fk_resize_shape s, __global const fk_resize_taps* restrict rows,
                             __global const fk_pixel* restrict x, __global float* restrict sums) {
    const int e = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const int row_elements = s.iw * s.channels;
    if (e >= row_elements || i >= s.oh) {
        return;
    }
    const fk_resize_taps down = rows[i];
    sums[(size_t)i * row_elements + e] = fk_down(x + (size_t)down.first * row_elements + e, row_elements, down);
}

__kernel void resize_rows(const fk_resize_shape s, const float divisor, __global const fk_resize_taps* restrict columns,
                          __global const float* restrict sums, __global fk_pixel* restrict y) {
    const int e = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    if (e >= s.ow * s.channels || i >= s.oh) {
        return;
    }
    const fk_resize_taps across = columns[e / s.channels];
    sums += ((size_t)i * s.iw + across.first) * s.channels + e % s.channels;
    float total = 0.0f;
    for (int k0 = 0; k0 < across.count; k0 += FK_RESIZE_PARTIAL) {
        const int end = min(across.count, k0 + FK_RESIZE_PARTIAL);
        float part = sums[(size_t)k0 * s.channels] * fk_weight(k0, across);
        for (int k = k0 + 1; k < end; ++k) {
            part += sums[(size_t)k * s.channels] * fk_weight(k, across);
        }
        total = k0 == 0 ? part : total + part;
    }
    y[(size_t)i * s.ow * s.channels + e] = FK_PUT(FK_DIVIDE(total, divisor));
}
