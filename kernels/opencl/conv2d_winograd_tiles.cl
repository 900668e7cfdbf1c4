/* The matrix products of Winograd's filtering (conv2d_winograd.cl), one for each point, by tiles in local memory (fk_tile.h). */
#include "fk_tile.h"

/* A step of the transformed image from channel `from` on: vectors of tiles, the last one again beyond them, zeros beyond the
 * channels. */
static inline void fk_fetch_inputs(const fk_member m, const int from, const int channels, const size_t channel, const int first,
                            const int pitch, __global const float* restrict inputs, fk_right* copied) {
#pragma unroll
    for (int k = 0; k < FK_COPIED_RIGHT; ++k) {
        const int at = min(m.item + k * FK_ITEMS, FK_DEPTH * FK_RIGHTS - 1);
        const int c = from + at / FK_RIGHTS;
        const int tile = min(first + at % FK_RIGHTS * FK_RIGHT, pitch - FK_RIGHT);
        copied[k] = c < channels ? *(__global const fk_right*)(inputs + c * channel + tile) : (fk_right)(0.0f);
    }
}

static inline void fk_stash_inputs(const fk_member m, const fk_right* copied, __local fk_right* to) {
#pragma unroll
    for (int k = 0; k < FK_COPIED_RIGHT; ++k) {
        if (m.item + k * FK_ITEMS < FK_DEPTH * FK_RIGHTS) {
            to[m.item + k * FK_ITEMS] = copied[k];
        }
    }
}

/* inputs [ic][point][pitch] -> products [oc][point][pitch], pitch a multiple of 4; packed: from winograd_weights, all
 * filters in one block of `width`, whole groups of them. */
__kernel __attribute__((reqd_work_group_size(FK_ACROSS, FK_ACROSS, 1))) void
winograd_tiles(const fk_conv2d_shape s, const int points, const int pitch, const int width, __global const float* restrict inputs,
               __global const fk_left* restrict packed, __global float* restrict products) {
    __local fk_left left[2][FK_DEPTH * FK_LEFTS];
    __local fk_right right[2][FK_DEPTH * FK_RIGHTS];
    const int steps = FK_CEIL_DIV(s.ic, FK_DEPTH);
    const int point = (int)get_group_id(2);
    const int first = (int)get_group_id(0) * FK_COLUMNS;
    const size_t channel = (size_t)points * pitch;
    const fk_member m = fk_this_member();

    float sum[FK_TILE][FK_VECS];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
#pragma unroll
        for (int v = 0; v < FK_VECS; ++v) {
            sum[t][v] = 0.0f;
        }
    }
    inputs += (size_t)point * pitch;
    packed += ((size_t)point * s.ic * width + get_group_id(1) * FK_ROWS) / FK_LEFT;
    fk_left next_left[FK_COPIED_LEFT];
    fk_right next_right[FK_COPIED_RIGHT];
    fk_fetch_left(m, width, s.ic - 1, packed, next_left);
    fk_fetch_inputs(m, 0, s.ic, channel, first, pitch, inputs, next_right);
    fk_stash_left(m, next_left, left[0]);
    fk_stash_inputs(m, next_right, right[0]);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = 0; step < steps; ++step) {
        const int next = (step + 1) * FK_DEPTH;
        if (next < s.ic) {
            fk_fetch_left(m, width, s.ic - 1 - next, packed + (size_t)next * (width / FK_LEFT), next_left);
            fk_fetch_inputs(m, next, s.ic, channel, first, pitch, inputs, next_right);
        }
        fk_multiply(m, left[step % 2], right[step % 2], sum);
        if (next < s.ic) {
            fk_stash_left(m, next_left, left[(step + 1) % 2]);
            fk_stash_inputs(m, next_right, right[(step + 1) % 2]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    const int filter = (int)get_group_id(1) * FK_ROWS + m.row * FK_TILE;
    products += filter * channel + (size_t)point * pitch;
#pragma unroll
    for (int k = 0; k < FK_VECS / FK_RIGHT; ++k) {
        const int tile = first + fk_column(m, k);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            if (tile < pitch && filter + t < s.oc) {
                *(__global fk_right*)(products + t * channel + tile) = FK_JOIN(vload, FK_RIGHT)(k, sum[t]);
            }
        }
    }
}
