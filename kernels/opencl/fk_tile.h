/* A tile of a matrix product by a group of 16 x 16 work items, as GPUs have it: left [rows][terms] times right [terms][columns],
 * 16 FK_TILE rows times 16 FK_VECS columns, all sums in registers.
 *
 * The group passes through the terms in steps of FK_DEPTH. While it computes from one half of its local memory, what the next
 * step needs is on its way to registers and then to the other half: one barrier a step, and nobody waits for memory right after
 * asking. A work item reads its part of a term four numbers at a time. Of 32 neighbouring ones (a warp) 8 share what they read of
 * the left side and 4 of the right: 64 + 128 bytes of local memory a read in place of 32 + 256 for 16 and 2, and without
 * conflicts of banks, since the columns of a work item are fours that lie 64 apart. For a multiprocessor of NVIDIA's, 8 x 8: 128
 * of 140 instructions of the inner loop are multiply-adds, 126 registers.
 *
 * Build options: FK_TILE and FK_VECS: 2, 4, 8; FK_DEPTH; FK_PADDED 1: four numbers between a term and the next in local memory,
 * for those who write along the terms: they would meet the same bank.
 */
#ifndef FK_TILE_H
#define FK_TILE_H

#include "fk_common.h"

#ifndef FK_TILE
#define FK_TILE 2
#endif
#ifndef FK_VECS
#define FK_VECS 2
#endif
#ifndef FK_DEPTH
#define FK_DEPTH 8
#endif
#ifndef FK_PADDED
#define FK_PADDED 0
#endif
#define FK_ACROSS 16 /* work items of a group along both of its dimensions */
#define FK_ITEMS (FK_ACROSS * FK_ACROSS)
/* Numbers in a vector of either side. */
#if FK_TILE == 2
#define FK_LEFT 2
#else
#define FK_LEFT 4
#endif
#if FK_VECS == 2
#define FK_RIGHT 2
#else
#define FK_RIGHT 4
#endif
typedef FK_JOIN(float, FK_LEFT) fk_left;
typedef FK_JOIN(float, FK_RIGHT) fk_right;
/* Rows and columns of a group, vectors of a term. */
#define FK_ROWS (FK_ACROSS * FK_TILE)
#define FK_COLUMNS (FK_ACROSS * FK_VECS)
#define FK_LEFTS (FK_ROWS / FK_LEFT)
#define FK_RIGHTS (FK_COLUMNS / FK_RIGHT)
/* Vectors from a term to the next in local memory. */
#define FK_LEFT_PITCH (FK_LEFTS + 4 * FK_PADDED / FK_LEFT)
#define FK_RIGHT_PITCH (FK_RIGHTS + 4 * FK_PADDED / FK_RIGHT)
/* Vectors that a work item copies in a step; some copy none in the last round. */
#define FK_COPIED_LEFT FK_CEIL_DIV(FK_DEPTH* FK_LEFTS, FK_ITEMS)
#define FK_COPIED_RIGHT FK_CEIL_DIV(FK_DEPTH* FK_RIGHTS, FK_ITEMS)

/* A work item of its group: number, and place among the 16 x 16, of which 32 neighbours are 4 x 8. */
typedef struct fk_member {
    int item, row, column;
} fk_member;

static inline fk_member fk_this_member(void) {
    const int item = (int)(get_local_id(1) * FK_ACROSS + get_local_id(0));
    const fk_member member = {item, item / 64 * 4 + item % 32 / 8, item / 32 % 2 * 8 + item % 8};
    return member;
}

/* The first column of vector k of a work item, in its group. */
static inline int fk_column(const fk_member m, const int k) { return (k * FK_ACROSS + m.column) * FK_RIGHT; }

/* A step of the left side, from [term][width] in vectors, term `last` again beyond it. */
static inline void fk_fetch_left(const fk_member m, const int width, const int last, __global const fk_left* restrict from,
                                 fk_left* copied) {
#pragma unroll
    for (int k = 0; k < FK_COPIED_LEFT; ++k) {
        const int at = min(m.item + k * FK_ITEMS, FK_DEPTH * FK_LEFTS - 1);
        copied[k] = from[min(at / FK_LEFTS, last) * (width / FK_LEFT) + at % FK_LEFTS];
    }
}

static inline void fk_stash_left(const fk_member m, const fk_left* copied, __local fk_left* to) {
#pragma unroll
    for (int k = 0; k < FK_COPIED_LEFT; ++k) {
        if (m.item + k * FK_ITEMS < FK_DEPTH * FK_LEFTS) {
            to[m.item + k * FK_ITEMS] = copied[k];
        }
    }
}

/* sum += left right over the terms of a step; left [term][row], right [term][column]. */
static inline void fk_multiply(const fk_member m, __local const fk_left* left, __local const fk_right* right,
                               float sum[FK_TILE][FK_VECS]) {
    left += m.row * (FK_TILE / FK_LEFT);
    right += m.column;
    /* Two terms: all of them together take more registers than let two groups of 256 share a multiprocessor. */
#pragma unroll 2
    for (int p = 0; p < FK_DEPTH; ++p) {
        float l[FK_TILE];
        float r[FK_VECS];
#pragma unroll
        for (int k = 0; k < FK_TILE / FK_LEFT; ++k) {
            FK_JOIN(vstore, FK_LEFT)(left[p * FK_LEFT_PITCH + k], k, l);
        }
#pragma unroll
        for (int k = 0; k < FK_VECS / FK_RIGHT; ++k) {
            FK_JOIN(vstore, FK_RIGHT)(right[p * FK_RIGHT_PITCH + k * FK_ACROSS], k, r);
        }
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                sum[t][v] = FK_FMA(l[t], r[v], sum[t][v]);
            }
        }
    }
}

#endif
