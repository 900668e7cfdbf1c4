/* Sum of two arrays of bytes; the formula stands in src/cpp/ops/add_int8/add_int8.hpp. One work item for 16 bytes. */
#include "fk_int8.h"

__kernel __attribute__((vec_type_hint(float16))) void
add_int8_flat(const fk_add_int8_shape s, __global const uchar* restrict x1, __global const uchar* restrict x2,
              __global uchar* restrict y) {
    const size_t at = get_global_id(0);
    if (at >= (size_t)s.n * (s.size / FK_BLOCK)) {
        return;
    }
    const float16 a = convert_float16(FK_BYTES_AT(at, x1)) * (float16)(s.x1_factor);
    const float16 b = convert_float16(FK_BYTES_AT(at, x2)) * (float16)(s.x2_factor);
    const float16 shifted = a + (float16)(s.offset);
    FK_PUT_BYTES(fk_bytes(shifted + b, s.low, s.high), at, y);
}
