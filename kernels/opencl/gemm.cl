/* Matrix product; the formula stands in src/cpp/ops/gemm/gemm.hpp. a [m, k], b [k, n] or [n, k], c [m, n], row-major, dense.
 *
 * gemm_reference  one work item for each number of c, the plain loops
 * gemm_blocked    one work item for FK_TILE rows times FK_LANES columns of c, all sums in registers; a group passes through k in
 *                 steps of FK_DEPTH, for each of which it copies its rows of a and its columns of b into local memory:
 *                 a number of a is read from there FK_LANES times, one of b FK_TILE times, by as many groups fewer from memory
 *
 * Build options: FK_LANES, FK_TILE, FK_DEPTH; FK_INTERLEAVE 1: neighbouring work items copy neighbouring numbers (one coalesced
 * load on a GPU), 0: whole rows each (what a CPU's compiler makes a copy of); FK_BFLOAT16 of b (fk_weights.h).
 */
#include "fk_gemm.h"
#include "fk_store.h"
#include "fk_weights.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_DEPTH
#define FK_DEPTH 1
#endif
#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif

__kernel void gemm_reference(const fk_gemm_shape s, __global const float* restrict a, __global const fk_weight* restrict b,
                             __global const float* restrict bias, __global float* restrict c) {
    const int j = (int)get_global_id(0);
    const int i = (int)get_global_id(1);
    if (i >= s.m || j >= s.n) {
        return;
    }
    float sum = bias != 0 ? bias[j] : 0.0f;
    for (int p = 0; p < s.k; ++p) {
        const size_t at = s.transposed != 0 ? (size_t)j * s.k + p : (size_t)p * s.n + j;
        sum = FK_FMA(a[(size_t)i * s.k + p], FK_WEIGHT(b + at), sum);
    }
    c[(size_t)i * s.n + j] = fk_activate(sum, s.activation, s.alpha);
}

/* What a work item copies of a rectangle of `lines` lines: line and place in it where it begins, and how it steps. */
typedef struct fk_share {
    int line, lines, at, step;
} fk_share;

fk_share fk_my_share(void) {
    const int item = (int)(get_local_id(1) * get_local_size(0) + get_local_id(0));
    const int items = (int)(get_local_size(0) * get_local_size(1));
#if FK_INTERLEAVE
    /* FK_DEPTH (a power of two) items side by side in a line; as many lines at once as there are items for. */
    const int side = min(items, FK_DEPTH);
    const fk_share share = {item / side, items / side, item % side, side};
#else
    const fk_share share = {item, items, 0, 1};
#endif
    return share;
}

/* to [lines][FK_DEPTH]: numbers [from, from + FK_DEPTH) of the lines [first, first + lines) of a; 0 where there are none. */
void fk_copy_lines(__global const float* restrict a, const int m, const int k, const int first, const int from, const int lines,
                   __local float* restrict to) {
    const fk_share share = fk_my_share();
    for (int line = share.line; line < lines; line += share.lines) {
        const int depth = first + line < m ? min(FK_DEPTH, k - from) : 0;
        __global const float* row = a + (size_t)min(first + line, m - 1) * k + from;
#if !FK_INTERLEAVE && FK_DEPTH % FK_LANES == 0
        if (depth == FK_DEPTH) {
#pragma unroll
            for (int p = 0; p < FK_DEPTH; p += FK_LANES) {
                FK_STORE(FK_LOAD(row + p), to + line * FK_DEPTH + p);
            }
            continue;
        }
#endif
        for (int p = share.at; p < FK_DEPTH; p += share.step) {
            to[line * FK_DEPTH + p] = p < depth ? row[p] : 0.0f;
        }
    }
}

/* to [FK_DEPTH][columns]: the same of the columns [first, first + columns) of b [k, n]. */
void fk_copy_rows(__global const fk_weight* restrict b, const int n, const int k, const int first, const int from,
                  const int columns, __local float* restrict to) {
    const int exist = min(columns, n - first);
    const int item = (int)(get_local_id(1) * get_local_size(0) + get_local_id(0));
    const int items = (int)(get_local_size(0) * get_local_size(1));
#if FK_INTERLEAVE
    for (int i = item; i < FK_DEPTH * columns; i += items) {
        const int p = i / columns;
        const int j = i % columns;
        to[i] = from + p < k && j < exist ? FK_WEIGHT(b + (size_t)(from + p) * n + first + j) : 0.0f;
    }
#else
    for (int p = item; p < FK_DEPTH; p += items) {
        const int some = from + p < k ? exist : 0;
        __global const fk_weight* row = b + (size_t)min(from + p, k - 1) * n + first;
        const int vectors = some / FK_LANES * FK_LANES;
        for (int j = 0; j < vectors; j += FK_LANES) {
            FK_STORE(FK_WEIGHTS(row + j), to + p * columns + j);
        }
        for (int j = vectors; j < columns; ++j) {
            to[p * columns + j] = j < some ? FK_WEIGHT(row + j) : 0.0f;
        }
    }
#endif
}

/* The same of b [n, k]; a line of `to` is `width` >= columns wide, so that what is written down a column meets all banks. */
void fk_copy_transposed(__global const fk_weight* restrict b, const int n, const int k, const int first, const int from,
                        const int columns, const int width, __local float* restrict to) {
    const fk_share share = fk_my_share();
    for (int j = share.line; j < columns; j += share.lines) {
        const int depth = first + j < n ? min(FK_DEPTH, k - from) : 0;
        __global const fk_weight* row = b + (size_t)min(first + j, n - 1) * k + from;
        for (int p = share.at; p < FK_DEPTH; p += share.step) {
            to[p * width + j] = p < depth ? FK_WEIGHT(row + p) : 0.0f;
        }
    }
}

__kernel __attribute__((vec_type_hint(fk_vec))) void
gemm_blocked(const fk_gemm_shape s, __global const float* restrict a, __global const fk_weight* restrict b,
             __global const float* restrict bias, __global float* restrict c, __local float* restrict a_tile,
             __local float* restrict b_tile) {
    const int lines = (int)get_local_size(1) * FK_TILE;
    const int columns = (int)get_local_size(0) * FK_LANES;
    const int first_line = (int)get_group_id(1) * lines;
    const int first_column = (int)get_group_id(0) * columns;
    const int width = s.transposed != 0 ? columns + 1 : columns;
    __local const float* my_a = a_tile + get_local_id(1) * FK_TILE * FK_DEPTH;
    __local const float* my_b = b_tile + get_local_id(0) * FK_LANES;
    fk_vec sum[FK_TILE];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        sum[t] = (fk_vec)(0.0f);
    }
    for (int from = 0; from < s.k; from += FK_DEPTH) {
        fk_copy_lines(a, s.m, s.k, first_line, from, lines, a_tile);
        if (s.transposed != 0) {
            fk_copy_transposed(b, s.n, s.k, first_column, from, columns, width, b_tile);
        } else {
            fk_copy_rows(b, s.n, s.k, first_column, from, columns, b_tile);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int p = 0; p < FK_DEPTH; ++p) {
            const fk_vec right = FK_LOAD(my_b + p * width);
#pragma unroll
            for (int t = 0; t < FK_TILE; ++t) {
                sum[t] = FK_FMA((fk_vec)(my_a[t * FK_DEPTH + p]), right, sum[t]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const int i = first_line + (int)get_local_id(1) * FK_TILE;
    const int j = first_column + (int)get_local_id(0) * FK_LANES;
    if (j < s.n) {
        const int lanes = min(FK_LANES, s.n - j);
        const fk_vec start = bias != 0 ? fk_load_row(bias + j, lanes) : (fk_vec)(0.0f);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            if (i + t < s.m) {
                fk_store_row(sum[t] + start, 0, lanes, s.activation, s.alpha, c + (size_t)(i + t) * s.n + j);
            }
        }
    }
}
