/* One piece of a concatenation along the channels, into its place. One work item for a pixel of 16 channels of the piece. */
#include "fk_int8.h"

/* x [n, blocks of the piece, pixels, 16], y [n, blocks, pixels, 16]. */
__kernel void concat_int8_piece(const fk_concat_int8_shape s, __global const uchar* restrict x, __global uchar* restrict y) {
    const size_t pixel = get_global_id(0);
    const int block = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    const int blocks = FK_CEIL_DIV(s.channels, FK_BLOCK);
    if (pixel >= (size_t)s.pixels || block >= blocks || image >= (size_t)s.n) {
        return;
    }
    const uchar16 value = FK_BYTES_AT((image * blocks + block) * s.pixels + pixel, x);
    const int first = s.first + block * FK_BLOCK;
    const int lanes = min(FK_BLOCK, s.channels - block * FK_BLOCK);
    y += image * FK_CEIL_DIV(s.c, FK_BLOCK) * s.pixels * FK_BLOCK;
    if (first % FK_BLOCK == 0 && lanes == FK_BLOCK) {
        FK_PUT_BYTES(value, (size_t)(first / FK_BLOCK) * s.pixels + pixel, y);
        return;
    }
    uchar bytes[FK_BLOCK];
    vstore16(value, 0, bytes);
    for (int lane = 0; lane < lanes; ++lane) {
        const int c = first + lane;
        y[((size_t)(c / FK_BLOCK) * s.pixels + pixel) * FK_BLOCK + c % FK_BLOCK] = bytes[lane];
    }
}
