/* The matrix products of Winograd's filtering (conv2d_winograd.cl), one for each point, in register tiles as in conv2d_direct.cl,
 * with its build options FK_TILE, FK_VECS, FK_LANES, FK_INTERLEAVE.
 */
#include "fk_common.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_VECS
#define FK_VECS 1
#endif
#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif

/* inputs [ic][point][pitch] -> products [oc][point][pitch] for `tiles` tiles, FK_LANES <= tiles <= pitch. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
winograd_product(const fk_conv2d_shape s, const int points, const int tiles, const int pitch,
                 __global const float* restrict inputs, __global const float* restrict packed,
                 __global float* restrict products) {
    const int blocks = FK_CEIL_DIV(s.oc, FK_TILE);
    const int block = (int)get_global_id(1);
    const int point = (int)get_global_id(2);
#if FK_INTERLEAVE
    const int step = (int)get_local_size(0) * FK_LANES;
    const int j = (int)get_group_id(0) * step * FK_VECS + (int)get_local_id(0) * FK_LANES;
#else
    const int step = FK_LANES;
    const int j = (int)get_global_id(0) * (FK_LANES * FK_VECS);
#endif
    if (j >= tiles || block >= blocks || point >= points) {
        return;
    }
    inputs += (size_t)point * pitch;
    packed += ((size_t)point * blocks + block) * s.ic * FK_TILE;
    const size_t channel = (size_t)points * pitch;
    int at[FK_VECS];
    fk_vec sum[FK_TILE][FK_VECS];
#pragma unroll
    for (int v = 0; v < FK_VECS; ++v) {
        at[v] = min(j + v * step, pitch - FK_LANES);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            sum[t][v] = (fk_vec)(0.0f);
        }
    }
    for (int c = 0; c < s.ic; ++c, inputs += channel, packed += FK_TILE) {
        fk_vec input[FK_VECS];
#pragma unroll
        for (int v = 0; v < FK_VECS; ++v) {
            input[v] = FK_LOAD(inputs + at[v]);
        }
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            const fk_vec weight = (fk_vec)(packed[t]);
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                sum[t][v] = FK_FMA(input[v], weight, sum[t][v]);
            }
        }
    }
    products += (size_t)block * FK_TILE * channel + (size_t)point * pitch;
    const int filters = min(FK_TILE, s.oc - block * FK_TILE);
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
#pragma unroll
        for (int v = 0; v < FK_VECS; ++v) {
            if (t < filters && j + v * step < tiles) {
                FK_STORE(sum[t][v], products + t * channel + at[v]);
            }
        }
    }
}
