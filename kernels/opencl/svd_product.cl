/* Products with a narrow matrix, for the randomized decomposition:  C[i, j] = scale sum_p A[i, p] B[p, j].
 *
 * A work item sums FK_TILE rows times FK_LANES columns in registers. In a group of many (a GPU's), pieces of A and B, FK_DEPTH
 * deep, come through local memory: A is read along whatever stands side by side, and each number of it from global memory once
 * for all columns of the group. The sum may be cut into parts, which svd_add_parts adds: where C is small, there would be little
 * to do at the same time otherwise, and the sums would be long.
 */
#include "fk_svd_real.h"

#define FK_TILE 4
#define FK_DEPTH 16
#if FK_GROUP > 1
#define FK_ACROSS 8 /* work items of a group that share rows */
#else
#define FK_ACROSS 1
#endif
#define FK_DOWN (FK_GROUP / FK_ACROSS)

/* b [batch][inner][width], c [batch][parts][rows][width]; width a multiple of FK_LANES, what stands past the last column of b is
 * multiplied like the rest. scales: one for each matrix, or null. Group (column block, row block, matrix * parts + part). */
__kernel FK_FIXED_GROUP void svd_product(const fk_svd_view a_at, const int rows, const int inner, const int width, const int parts,
                                         __global const real* restrict scales, __global const real* restrict a,
                                         __global const real* restrict b, __global real* restrict c) {
    const int matrix = (int)get_group_id(2) / parts;
    const int part = (int)get_group_id(2) % parts;
    const int begin = (int)((long)inner * part / parts);
    const int end = (int)((long)inner * (part + 1) / parts);
    const int first_row = (int)get_group_id(1) * FK_DOWN * FK_TILE;
    const int row = first_row + FK_ITEM / FK_ACROSS * FK_TILE;
    const int column = ((int)get_group_id(0) * FK_ACROSS + FK_ITEM % FK_ACROSS) * FK_LANES;
    b += (size_t)matrix * inner * width;
    a += fk_matrix(a_at, matrix);
    vec sum[FK_TILE];
#pragma unroll
    for (int t = 0; t < FK_TILE; ++t) {
        sum[t] = (vec)(0);
    }
#if FK_GROUP > 1
    __local real a_piece[FK_DEPTH][FK_DOWN * FK_TILE + 1];
    __local real b_piece[FK_DEPTH][FK_ACROSS * FK_LANES];
    const int first_column = (int)get_group_id(0) * FK_ACROSS * FK_LANES;
    for (int p0 = begin; p0 < end; p0 += FK_DEPTH) {
        for (int f = FK_ITEM; f < FK_DEPTH * FK_DOWN * FK_TILE; f += FK_GROUP) {
            const int p = a_at.column == 1 ? f % FK_DEPTH : f / (FK_DOWN * FK_TILE);
            const int r = a_at.column == 1 ? f / FK_DEPTH : f % (FK_DOWN * FK_TILE);
            const bool inside = p0 + p < end && first_row + r < rows;
            a_piece[p][r] = inside ? a[fk_row(a_at, first_row + r) + (size_t)(p0 + p) * a_at.column] : (real)0;
        }
        for (int f = FK_ITEM; f < FK_DEPTH * FK_ACROSS * FK_LANES; f += FK_GROUP) {
            const int p = f / (FK_ACROSS * FK_LANES);
            const int j = f % (FK_ACROSS * FK_LANES);
            const bool inside = p0 + p < end && first_column + j < width;
            b_piece[p][j] = inside ? b[(size_t)(p0 + p) * width + first_column + j] : (real)0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int p = 0; p < FK_DEPTH; ++p) {
            const vec right = FK_LOAD(&b_piece[p][FK_ITEM % FK_ACROSS * FK_LANES]);
#pragma unroll
            for (int t = 0; t < FK_TILE; ++t) {
                sum[t] = FK_FMA((vec)(a_piece[p][row - first_row + t]), right, sum[t]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#else
    size_t at[FK_TILE];
    for (int t = 0; t < FK_TILE; ++t) {
        at[t] = fk_row(a_at, min(row + t, rows - 1));
    }
    for (int p = begin; p < end; ++p) {
        const vec right = FK_LOAD(b + (size_t)p * width + column);
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
            sum[t] = FK_FMA((vec)(a[at[t] + (size_t)p * a_at.column]), right, sum[t]);
        }
    }
#endif
    const real scale = scales == 0 ? (real)1 : scales[matrix];
    for (int t = 0; t < FK_TILE; ++t) {
        if (row + t < rows && column < width) {
            FK_STORE(sum[t] * scale, c + (((size_t)matrix * parts + part) * rows + row + t) * width + column);
        }
    }
}

/* c[b][i] = sum over the parts, for size numbers of each matrix. */
__kernel void svd_add_parts(const int size, const int parts, const int batch, __global const real* restrict from,
                            __global real* restrict c) {
    const int i = (int)get_global_id(0);
    const int b = (int)get_global_id(1);
    if (i >= size || b >= batch) {
        return;
    }
    from += (size_t)b * parts * size + i;
    real sum = 0;
    for (int part = 0; part < parts; ++part) {
        sum += from[(size_t)part * size];
    }
    c[(size_t)b * size + i] = sum;
}
