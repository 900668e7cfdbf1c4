/* What the kernels of the singular value decomposition share.
 *
 * Build options
 *   FK_DOUBLE   1: float64
 *   FK_LANES    numbers of a vector, 1, 2, 4, 8, 16
 *   FK_TEAM     work items that share a column
 *   FK_TEAMS    teams of a work group. A group of one work item (a CPU device's) needs no barrier and takes the place of a
 *               whole group: kernels with groups are launched with FK_GROUP items each, reqd_work_group_size sees to it.
 *   FK_LOCAL    1: svd_jacobi keeps a matrix in local memory
 *
 * Columns stand FK_LANES numbers or a multiple apart, with zeros behind their ends, so loops take whole vectors. Numbers are
 * scaled so that the largest of a matrix is from 1/2 to 1: its largest singular value is at least 1/2.
 */
#ifndef FK_SVD_REAL_H
#define FK_SVD_REAL_H

#include "fk_svd.h"

#ifndef FK_DOUBLE
#define FK_DOUBLE 0
#endif
#ifndef FK_LANES
#define FK_LANES 1
#endif
#ifndef FK_TEAM
#define FK_TEAM 1
#endif
#ifndef FK_TEAMS
#define FK_TEAMS 1
#endif
#ifndef FK_LOCAL
#define FK_LOCAL 0
#endif

#define FK_CEIL_DIV(a, b) (((a) + (b) - 1) / (b))
#define FK_GROUP (FK_TEAM * FK_TEAMS)
#define FK_FIXED_GROUP __attribute__((reqd_work_group_size(FK_GROUP, 1, 1)))
#define FK_JOIN_(a, b) a##b
#define FK_JOIN(a, b) FK_JOIN_(a, b)

#if FK_DOUBLE
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double real;
#define FK_REAL double
#define FK_MASK long
#define FK_EPSILON 0x1p-52
#define FK_FLAT 1e-200 /* see below */
#ifdef FP_FAST_FMA
#define FK_FUSED 1
#endif
#else
typedef float real;
#define FK_REAL float
#define FK_MASK int
#define FK_EPSILON 0x1p-23f
#define FK_FLAT 1e-26f
#ifdef FP_FAST_FMAF
#define FK_FUSED 1
#endif
#endif

#ifdef FK_FUSED
#define FK_FMA(a, b, c) fma(a, b, c)
#else
#define FK_FMA(a, b, c) ((a) * (b) + (c))
#endif

#if FK_LANES == 1
typedef real vec;
typedef FK_MASK vec_mask;
#define FK_LOAD(pointer) (*(pointer))
#define FK_STORE(value, pointer) (*(pointer) = (value))
#define FK_ANY(mask) ((mask) != 0)
#define FK_WHERE(mask, yes, no) ((mask) ? (yes) : (no))
#else
typedef FK_JOIN(FK_REAL, FK_LANES) vec;
typedef FK_JOIN(FK_MASK, FK_LANES) vec_mask;
#define FK_LOAD(pointer) FK_JOIN(vload, FK_LANES)(0, pointer)
#define FK_STORE(value, pointer) FK_JOIN(vstore, FK_LANES)(value, 0, pointer)
#define FK_ANY(mask) any(mask)
#define FK_WHERE(mask, yes, no) select(no, yes, mask)
#endif

/* Singular values below this share of the largest are as good as zero: their left vectors are noise, and are replaced. */
#define FK_DEAD (FK_EPSILON / 8)
/* FK_FLAT: a column of less than this squared length is as good as zero; squares of its entries may have lost digits. */

#if FK_GROUP > 1
#define FK_BARRIER(fences) barrier(fences)
#else
#define FK_BARRIER(fences)
#endif
#define FK_BOTH (CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)

/* Which group, team and work item of a team this is. */
#define FK_MATRIX_GROUP ((int)get_group_id(0))
#if FK_GROUP > 1
#define FK_ITEM ((int)get_local_id(0))
#else
#define FK_ITEM 0
#endif
#define FK_TEAM_OF (FK_ITEM / FK_TEAM)
#define FK_MEMBER (FK_ITEM % FK_TEAM)

real sum_of_lanes(const vec v) {
#if FK_LANES == 1
    return v;
#elif FK_LANES == 2
    return v.x + v.y;
#else
#if FK_LANES == 16
    const FK_JOIN(FK_REAL, 8) eight = v.lo + v.hi;
    const FK_JOIN(FK_REAL, 4) four = eight.lo + eight.hi;
#elif FK_LANES == 8
    const FK_JOIN(FK_REAL, 4) four = v.lo + v.hi;
#else
    const FK_JOIN(FK_REAL, 4) four = v;
#endif
    const FK_JOIN(FK_REAL, 2) two = four.lo + four.hi;
    return two.x + two.y;
#endif
}

/* The sums of some values over the work items of a team, in one order; every item of the group must come here.
 * scratch: FK_GROUP numbers for each value. */
#define FK_MOST_SUMS 4
void team_sums(real* values, const int count, __local real* scratch) {
#if FK_TEAM > 1
    for (int v = 0; v < count; ++v) {
        scratch[v * FK_GROUP + FK_ITEM] = values[v];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int v = 0; v < count; ++v) {
        real sum = 0;
        for (int i = 0; i < FK_TEAM; ++i) {
            sum += scratch[v * FK_GROUP + FK_TEAM_OF * FK_TEAM + i];
        }
        values[v] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
}

size_t fk_row(const fk_svd_view v, const int i) { return (size_t)(i / v.piece) * v.piece_step + (size_t)(i % v.piece) * v.row; }
size_t fk_matrix(const fk_svd_view v, const int b) { return (size_t)(b / v.lanes) * v.batch + b % v.lanes; }
size_t fk_at(const fk_svd_view v, const int b, const int i, const int j) {
    return fk_matrix(v, b) + fk_row(v, i) + (size_t)j * v.column;
}

#endif
