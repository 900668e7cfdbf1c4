/* Q R of matrices with many rows, as a tree (J. Demmel, L. Grigori, M. Hoemmen, J. Langou, "Communication-optimal parallel and
 * sequential QR and LU factorizations", 2012): pieces of rows are factored on their own by Householder reflections, then their
 * triangles, some piled up to a piece, in the same way. Reflections are orthogonal to rounding whatever the matrix is, so this
 * bears any condition number and rank, where A^T A in float32 would not bear one of 4000.
 *
 * svd_qr     factors pieces: their columns become the reflections, panel after panel; one group for each piece
 * svd_apply  products of a piece's reflections with some columns: how Q comes out, from the top of the tree down
 *
 * A piece: columns `rows` numbers apart, zeros behind its last row. Reflection k: I - taus[k] v v^T, v with zeros above row k and
 * a one there. Build options: fk_svd_real.h.
 */
#include "fk_svd_real.h"

#define FK_COLUMNS 4 /* that a team turns at once: they share the loads of v */
#define FK_PANEL 8   /* reflections that go over the rest together: a column stays in the first-level cache meanwhile */

/* x[j] <- (I - taus[k] v[k] v[k]^T) x[j], for k = begin, begin + step, ... (count of them), for the columns `first` to `end`. */
void reflect_columns(__global const real* v, __global const real* taus, const int rows, const int begin, const int step,
                     const int count, __global real* x, const int first, const int end, __local real* scratch) {
    for (int base = first; base < end; base += FK_TEAMS * FK_COLUMNS) {
        const int own = base + FK_TEAM_OF * FK_COLUMNS;
        /* Past the end a team reads its last column again and does not write it; a team that has none, nothing. */
        size_t column[FK_COLUMNS];
#pragma unroll
        for (int c = 0; c < FK_COLUMNS; ++c) {
            column[c] = (size_t)min(own + c, end - 1) * rows;
        }
        for (int r = 0; r < count; ++r) {
            const int k = begin + r * step;
            __global const real* const vk = v + (size_t)k * rows;
            /* Each work item keeps its rows, whatever row the reflection begins with: nobody waits for another's. */
            const int skipped = max(k - FK_MEMBER * FK_LANES - FK_LANES + 1, 0);
            const int first_row = FK_MEMBER * FK_LANES + FK_CEIL_DIV(skipped, FK_TEAM * FK_LANES) * FK_TEAM * FK_LANES;
            const int top = own < end ? first_row : rows;
            vec sum[FK_COLUMNS];
#pragma unroll
            for (int c = 0; c < FK_COLUMNS; ++c) {
                sum[c] = (vec)(0);
            }
            for (int i = top; i < rows; i += FK_TEAM * FK_LANES) {
                const vec value = FK_LOAD(vk + i);
#pragma unroll
                for (int c = 0; c < FK_COLUMNS; ++c) {
                    sum[c] = FK_FMA(value, FK_LOAD(x + column[c] + i), sum[c]);
                }
            }
            real dots[FK_COLUMNS];
#pragma unroll
            for (int c = 0; c < FK_COLUMNS; ++c) {
                dots[c] = sum_of_lanes(sum[c]);
            }
            team_sums(dots, FK_COLUMNS, scratch);
            const real tau = taus[k];
#pragma unroll
            for (int c = 0; c < FK_COLUMNS; ++c) {
                dots[c] *= -tau;
            }
            for (int i = top; i < rows; i += FK_TEAM * FK_LANES) {
                const vec value = FK_LOAD(vk + i);
#pragma unroll
                for (int c = 0; c < FK_COLUMNS; ++c) {
                    if (own + c < end) {
                        FK_STORE(FK_FMA(value, (vec)(dots[c]), FK_LOAD(x + column[c] + i)), x + column[c] + i);
                    }
                }
            }
        }
    }
}

/* Column k becomes its reflection; what stands above the diagonal, and the new diagonal, go to r. The work of team 0. */
void make_reflection(__global real* x, __global real* tau, const int rows, const int k, __global real* r, const int r_step,
                     __local real* scratch) {
    real rest = 0;
    for (int i = k + 1 + FK_MEMBER; i < rows; i += FK_TEAM) {
        rest = FK_FMA(x[i], x[i], rest);
    }
    team_sums(&rest, 1, scratch);
    const real alpha = x[k];
    const bool flat = !(rest > FK_FLAT);
    const real size = flat ? alpha : -copysign(sqrt(FK_FMA(alpha, alpha, rest)), alpha);
    const real factor = flat ? (real)0 : 1 / (alpha - size);
    FK_BARRIER(FK_BOTH); /* everyone has read alpha */
    if (FK_TEAM_OF != 0) {
        return;
    }
    for (int i = k + 1 + FK_MEMBER; i < rows; i += FK_TEAM) {
        x[i] *= factor;
    }
    for (int i = FK_MEMBER; i <= k; i += FK_TEAM) {
        r[(size_t)i * r_step] = i == k ? size : x[i];
        x[i] = i == k ? 1 : 0;
    }
    if (FK_MEMBER == 0) {
        *tau = flat ? (real)0 : (size - alpha) / size;
    }
}

/* x [batch][pieces][n][rows], taus [batch][pieces][n]; the triangle of piece p of matrix b goes to rows p n .. of a pile that
 * to_at describes, with zeros below its diagonal. */
__kernel FK_FIXED_GROUP void svd_qr(const int rows, const int n, const fk_svd_view to_at, __global real* x, __global real* taus,
                                    __global real* to) {
    __local real scratch[FK_MOST_SUMS * FK_GROUP];
    const int piece = (int)get_group_id(0);
    const int b = (int)get_group_id(1);
    const size_t at = (size_t)b * get_num_groups(0) + piece;
    x += at * n * rows;
    taus += at * n;
    to += fk_at(to_at, b, piece * n, 0); /* the rows of a triangle stand in one piece of the pile */
    for (int begin = 0; begin < n; begin += FK_PANEL) {
        const int end = min(begin + FK_PANEL, n);
        for (int k = begin; k < end; ++k) {
            make_reflection(x + (size_t)k * rows, taus + k, rows, k, to + (size_t)k * to_at.column, to_at.row, scratch);
            FK_BARRIER(FK_BOTH);
            reflect_columns(x, taus, rows, k, 1, 1, x, k + 1, end, scratch);
            FK_BARRIER(FK_BOTH);
        }
        reflect_columns(x, taus, rows, begin, 1, end - begin, x, end, n, scratch);
        FK_BARRIER(FK_BOTH);
    }
    for (int f = FK_ITEM; f < n * n; f += FK_GROUP) {
        const int i = f % n;
        const int k = f / n;
        if (i > k) {
            to[(size_t)i * to_at.row + (size_t)k * to_at.column] = 0;
        }
    }
}

/* c [batch][pieces][k][rows] = Q [top; 0] for the reflections of each piece; `top`: the rows p n .. of a pile that top_at
 * describes. Group (s, p, b) does the columns s share .. of piece p of matrix b. */
__kernel FK_FIXED_GROUP void svd_apply(const int rows, const int n, const int k, const int share, const fk_svd_view top_at,
                                       __global const real* x, __global const real* taus, __global const real* top,
                                       __global real* c) {
    __local real scratch[FK_MOST_SUMS * FK_GROUP];
    const int first = (int)get_group_id(0) * share;
    const int end = min(first + share, k);
    const int piece = (int)get_group_id(1);
    const int b = (int)get_group_id(2);
    const size_t at = (size_t)b * get_num_groups(1) + piece;
    x += at * n * rows;
    taus += at * n;
    c += at * k * rows;
    top += fk_at(top_at, b, piece * n, 0);
    for (int j = first + FK_TEAM_OF; j < end; j += FK_TEAMS) {
        for (int i = FK_MEMBER; i < rows; i += FK_TEAM) {
            c[(size_t)j * rows + i] = i < n ? top[(size_t)i * top_at.row + (size_t)j * top_at.column] : (real)0;
        }
    }
    FK_BARRIER(FK_BOTH);
    reflect_columns(x, taus, rows, n - 1, -1, n, c, first, end, scratch);
}
