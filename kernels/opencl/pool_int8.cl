/* Pooling on bytes; the formulas stand in src/cpp/ops/pool_int8/pool_int8.hpp. One work item for a pixel of 16 channels.
 * factors[count] = ratio / count comes from the host: devices may divide with more than one rounding. */
#include "fk_int8.h"

/* x [n, blocks, ih, iw, 16], y [n, blocks, oh, ow, 16]. */
__kernel __attribute__((vec_type_hint(int16))) void
pool_int8_direct(const fk_pool_int8_shape s, __global const uchar* restrict x, __global const float* restrict factors,
                 __global uchar* restrict y) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    const size_t plane = get_global_id(2); /* image * blocks + block */
    if (i >= s.oh || j >= s.ow || plane >= (size_t)s.n * FK_CEIL_DIV(s.c, FK_BLOCK)) {
        return;
    }
    const int top = i * s.stride_h - s.pad_top;
    const int left = j * s.stride_w - s.pad_left;
    const int2 rows = (int2)(max(top, 0), min(top + s.kh, s.ih));
    const int2 columns = (int2)(max(left, 0), min(left + s.kw, s.iw));
    uchar16 most = (uchar16)(0);
    int16 sum = (int16)(0);
    for (int row = rows.x; row < rows.y; ++row) {
        for (int column = columns.x; column < columns.y; ++column) {
            const uchar16 pixel = FK_BYTES_AT((plane * s.ih + row) * s.iw + column, x);
            if (s.average) {
                sum += convert_int16(pixel);
            } else {
                most = max(most, pixel);
            }
        }
    }
    if (s.average) {
        const int cells = (rows.y - rows.x) * (columns.y - columns.x);
        const float factor = factors[s.count_include_pad ? s.kh * s.kw : cells];
        const float16 scaled = convert_float16(sum - cells * s.x_zero) * (float16)(factor);
        most = fk_bytes(scaled + (float16)(s.y_zero), 0.0f, 255.0f);
    }
    FK_PUT_BYTES(most, (plane * s.oh + i) * s.ow + j, y);
}
