/* Matrix product as GPUs have it, by tiles in local memory (fk_tile.h); arguments as in gemm.cl.
 *
 * Build options: those of fk_tile.h; FK_TRANSPOSED 1: b is [n, k]; FK_BFLOAT16 of b (fk_weights.h).
 */
#define FK_PADDED 1
#include "fk_gemm.h"
#include "fk_tile.h"
#include "fk_weights.h"

#ifndef FK_TRANSPOSED
#define FK_TRANSPOSED 0
#endif
/* Numbers of either side that a work item copies in a step. */
#define FK_COPIED_A (FK_DEPTH * FK_ROWS / FK_ITEMS)
#define FK_COPIED_B (FK_DEPTH * FK_COLUMNS / FK_ITEMS)

/* Numbers [from, from + FK_DEPTH) of lines that are k long, from line `first` of `lines` on: neighbours along a line. Zeros
 * beyond the lines and their ends. One pointer for all lines: one each took 40 registers more. k below 2^24. */
#define FK_DEFINE_FETCH(name, type, read)                                                                                        \
    static inline void name(const int item, const int copied, __global const type* restrict matrix, const int first,             \
                            const int lines, const int k, const int from, float* next) {                                         \
        const int line = first + item / FK_DEPTH;                                                                                \
        const int p = from + item % FK_DEPTH;                                                                                    \
        matrix += (size_t)line * k + p;                                                                                          \
        for (int j = 0; j < copied; ++j) {                                                                                       \
            const int further = j * (FK_ITEMS / FK_DEPTH);                                                                       \
            next[j] = line + further < lines && p < k ? read(matrix + further * k) : 0.0f;                                       \
        }                                                                                                                        \
    }
#define FK_READ(pointer) (*(pointer))
FK_DEFINE_FETCH(fk_fetch_a, float, FK_READ)

/* What was fetched so -> to [term][pitch]. */
static inline void fk_stash_lines(const int item, const int copied, const float* next, const int pitch, __local float* to) {
    for (int j = 0; j < copied; ++j) {
        to[item % FK_DEPTH * pitch + item / FK_DEPTH + j * (FK_ITEMS / FK_DEPTH)] = next[j];
    }
}

#if FK_TRANSPOSED
FK_DEFINE_FETCH(fk_fetch_transposed, fk_weight, FK_WEIGHT)
#define FK_FETCH_B(item, b, first, n, k, from, next) fk_fetch_transposed(item, FK_COPIED_B, b, first, n, k, from, next)
#define FK_STASH_B(item, next, to) fk_stash_lines(item, FK_COPIED_B, next, FK_RIGHT_PITCH* FK_RIGHT, to)
#else
#define FK_FETCH_B fk_fetch_b
#define FK_STASH_B fk_stash_b

/* Columns of b [k, n]: neighbours along a row. */
static inline void fk_fetch_b(const int item, __global const fk_weight* restrict b, const int first, const int n, const int k,
                       const int from, float* next) {
    const int column = first + item % FK_COLUMNS;
    const int line = from + item / FK_COLUMNS;
    b += (size_t)line * n + column;
    for (int j = 0; j < FK_COPIED_B; ++j) {
        const int further = j * (FK_ITEMS / FK_COLUMNS);
        next[j] = column < n && line + further < k ? FK_WEIGHT(b + further * n) : 0.0f;
    }
}

static inline void fk_stash_b(const int item, const float* next, __local float* to) {
    for (int j = 0; j < FK_COPIED_B; ++j) {
        const int p = item / FK_COLUMNS + j * (FK_ITEMS / FK_COLUMNS);
        to[p * FK_RIGHT_PITCH * FK_RIGHT + item % FK_COLUMNS] = next[j];
    }
}
#endif

__kernel __attribute__((reqd_work_group_size(FK_ACROSS, FK_ACROSS, 1))) void
gemm_tiles(const fk_gemm_shape s, __global const float* restrict a, __global const fk_weight* restrict b,
           __global const float* restrict bias, __global float* restrict c) {
    __local fk_left left[2][FK_DEPTH * FK_LEFT_PITCH];
    __local fk_right right[2][FK_DEPTH * FK_RIGHT_PITCH];
    const int first_row = (int)get_group_id(1) * FK_ROWS;
    const int first_column = (int)get_group_id(0) * FK_COLUMNS;
    const fk_member m = fk_this_member();

    float sum[FK_TILE][FK_VECS];
#pragma unroll
    for (int v = 0; v < FK_VECS; ++v) {
        const int j = first_column + fk_column(m, v / FK_RIGHT) + v % FK_RIGHT;
        const float start = bias != 0 && j < s.n ? bias[j] : 0.0f;
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            sum[t][v] = start;
        }
    }
    float next_a[FK_COPIED_A];
    float next_b[FK_COPIED_B];
    fk_fetch_a(m.item, FK_COPIED_A, a, first_row, s.m, s.k, 0, next_a);
    FK_FETCH_B(m.item, b, first_column, s.n, s.k, 0, next_b);
    fk_stash_lines(m.item, FK_COPIED_A, next_a, FK_LEFT_PITCH * FK_LEFT, (__local float*)left[0]);
    FK_STASH_B(m.item, next_b, (__local float*)right[0]);
    barrier(CLK_LOCAL_MEM_FENCE);
    const int steps = FK_CEIL_DIV(s.k, FK_DEPTH);
    for (int step = 0; step < steps; ++step) {
        const int next = (step + 1) * FK_DEPTH;
        if (step + 1 < steps) {
            fk_fetch_a(m.item, FK_COPIED_A, a, first_row, s.m, s.k, next, next_a);
            FK_FETCH_B(m.item, b, first_column, s.n, s.k, next, next_b);
        }
        fk_multiply(m, left[step % 2], right[step % 2], sum);
        if (step + 1 < steps) {
            fk_stash_lines(m.item, FK_COPIED_A, next_a, FK_LEFT_PITCH * FK_LEFT, (__local float*)left[(step + 1) % 2]);
            FK_STASH_B(m.item, next_b, (__local float*)right[(step + 1) % 2]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    const int rows_here = min(FK_TILE, s.m - first_row - m.row * FK_TILE);
    c += (size_t)(first_row + m.row * FK_TILE) * s.n;
    if (s.activation <= FK_ACTIVATION_RELU && s.n % FK_RIGHT == 0) {
        /* Straight from the registers, in vectors, which rows end with. */
        const float least = s.activation == FK_ACTIVATION_RELU ? 0.0f : -INFINITY;
#pragma unroll
        for (int k = 0; k < FK_VECS / FK_RIGHT; ++k) {
            const int j = first_column + fk_column(m, k);
#pragma unroll
            for (int t = 0; t < FK_TILE; ++t) {
                if (j < s.n && t < rows_here) {
                    const fk_right value = FK_JOIN(vload, FK_RIGHT)(k, sum[t]);
                    *(__global fk_right*)(c + (size_t)t * s.n + j) = select(value, (fk_right)(least), value < least);
                }
            }
        }
        return;
    }
    /* Through memory, so that the activations stand once in the program and not for every sum. */
    float value[FK_TILE * FK_VECS];
#pragma unroll
    for (int k = 0; k < FK_TILE * FK_VECS; ++k) {
        value[k] = sum[k / FK_VECS][k % FK_VECS];
    }
    for (int t = 0; t < rows_here; ++t) {
        for (int v = 0; v < FK_VECS; ++v) {
            const int j = first_column + fk_column(m, v / FK_RIGHT) + v % FK_RIGHT;
            if (j < s.n) {
                c[(size_t)t * s.n + j] = fk_activate(value[t * FK_VECS + v], s.activation, s.alpha);
            }
        }
    }
}
