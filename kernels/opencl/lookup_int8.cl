/* Any function of one byte, as a table. One work item for 16 bytes. */
#include "fk_int8.h"

/* A table of whole numbers kept as floats -> bytes. */
__kernel void lookup_int8_pack(__global const float* restrict table, __global uchar* restrict packed) {
    const int at = (int)get_global_id(0);
    if (at < 256) {
        packed[at] = convert_uchar(table[at]);
    }
}

__kernel void lookup_int8_flat(const fk_lookup_int8_shape s, __global const uchar* restrict x, __constant const uchar* restrict table,
                               __global uchar* restrict y) {
    const size_t at = get_global_id(0);
    if (at >= (size_t)s.n * (s.size / FK_BLOCK)) {
        return;
    }
    uchar values[FK_BLOCK];
    vstore16(FK_BYTES_AT(at, x), 0, values);
    for (int lane = 0; lane < FK_BLOCK; ++lane) {
        values[lane] = table[values[lane]];
    }
    FK_PUT_BYTES(vload16(0, values), at, y);
}
