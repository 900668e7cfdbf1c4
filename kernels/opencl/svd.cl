/* One-sided Jacobi (M. R. Hestenes, "Inversion of matrices by biorthogonalization", 1958): the columns of x are rotated in pairs
 * until all are orthogonal; x w = u diag(s) then, w the product of the rotations. Three ways to go about it:
 *
 * svd_jacobi   one work group for each matrix, in local memory where it fits (FK_LOCAL): the pairs of a tournament's round share
 *              no column, so each team turns one
 * svd_blocks   one work group for each pair of blocks of columns, one launch for each round of the blocks' tournament: for
 *              matrices that would leave most of a device idle otherwise
 * svd_lanes    FK_LANES matrices in each work item, one in a lane: for many small ones
 *
 * A column of length FK_DEAD or less is not turned any more: beside a largest singular value of 1/2 or more it is as good as
 * zero. svd_complete puts another in its place, so that the columns are orthonormal for a matrix of any rank.
 */
#include "fk_svd_real.h"

/* The rotation  p <- p - k q,  q <- q + s p,  p <- p - k q  by the angle that makes columns with squares a, b and product g
 * orthogonal: k = tan(f / 2), s = sin f, tan 2f = 2 g / (b - a). All divided by |p| |q|, whose square is far from the limits. */
bool angle_of(const real a, const real b, const real g, const real tolerance, real* k, real* s) {
    const real lengths = sqrt(a * b);
    if (!(fabs(g) > tolerance * lengths) || !(min(a, b) > FK_DEAD * FK_DEAD)) {
        return false;
    }
    const real h = (b - a) / lengths;
    const real twice = 2 * (g / lengths);
    const real t = copysign((real)1, h) * twice / (fabs(h) + sqrt(FK_FMA(h, h, twice * twice)));
    *k = t / (1 + sqrt(FK_FMA(t, t, (real)1)));
    *s = 2 * *k / FK_FMA(*k, *k, (real)1);
    return true;
}

/* For matrices in local and in global memory alike:
 * turn_pair     makes columns p and q of x orthogonal, a team's work; true if they were not. Every item of the group comes here.
 * meet_all      every pair of `count` columns once: round i of a tournament keeps the last player's seat and moves the others on
 */
#define FK_DEFINE_TURNS(suffix, space)                                                                                           \
    void turn_columns_##suffix(space real* p, space real* q, const int rows, const real k, const real s) {                       \
        for (int i = FK_MEMBER * FK_LANES; i < rows; i += FK_TEAM * FK_LANES) {                                                  \
            const vec y = FK_LOAD(q + i);                                                                                        \
            const vec first = FK_FMA((vec)(-k), y, FK_LOAD(p + i));                                                              \
            const vec turned = FK_FMA((vec)(s), first, y);                                                                       \
            FK_STORE(turned, q + i);                                                                                             \
            FK_STORE(FK_FMA((vec)(-k), turned, first), p + i);                                                                   \
        }                                                                                                                        \
    }                                                                                                                            \
    bool turn_pair_##suffix(space real* x, const int rows, space real* w, const int w_rows, const int p, const int q,            \
                            const bool active, const real tolerance, __local real* scratch) {                                    \
        space real* xp = x + (size_t)p * rows;                                                                                   \
        space real* xq = x + (size_t)q * rows;                                                                                   \
        vec a = (vec)(0);                                                                                                        \
        vec b = (vec)(0);                                                                                                        \
        vec g = (vec)(0);                                                                                                        \
        for (int i = FK_MEMBER * FK_LANES; active && i < rows; i += FK_TEAM * FK_LANES) {                                        \
            const vec left = FK_LOAD(xp + i);                                                                                    \
            const vec right = FK_LOAD(xq + i);                                                                                   \
            a = FK_FMA(left, left, a);                                                                                           \
            b = FK_FMA(right, right, b);                                                                                         \
            g = FK_FMA(left, right, g);                                                                                          \
        }                                                                                                                        \
        real sums[3] = {sum_of_lanes(a), sum_of_lanes(b), sum_of_lanes(g)};                                                      \
        team_sums(sums, 3, scratch);                                                                                             \
        real k = 0;                                                                                                              \
        real s = 0;                                                                                                              \
        if (!active || !angle_of(sums[0], sums[1], sums[2], tolerance, &k, &s)) {                                                \
            return false;                                                                                                        \
        }                                                                                                                        \
        turn_columns_##suffix(xp, xq, rows, k, s);                                                                               \
        if (w != 0) {                                                                                                            \
            turn_columns_##suffix(w + (size_t)p * w_rows, w + (size_t)q * w_rows, w_rows, k, s);                                 \
        }                                                                                                                        \
        return true;                                                                                                             \
    }                                                                                                                            \
    bool meet_all_##suffix(space real* x, const int rows, space real* w, const int w_rows, const int count,                      \
                           const real tolerance, __local real* scratch) {                                                        \
        const int last = count + count % 2 - 1;                                                                                  \
        bool turned = false;                                                                                                     \
        for (int round = 0; round < last; ++round) {                                                                             \
            for (int first = 0; first <= last / 2; first += FK_TEAMS) {                                                          \
                const int i = first + FK_TEAM_OF;                                                                                \
                const int left = i == 0 ? last : (round + i - 1) % last;                                                         \
                const int right = (round + last - i - 1) % last;                                                                 \
                const bool active = i <= last / 2 && max(left, right) < count;                                                   \
                turned |= turn_pair_##suffix(x, rows, w, w_rows, min(left, right), max(left, right), active, tolerance,          \
                                             scratch);                                                                           \
            }                                                                                                                    \
            FK_BARRIER(FK_BOTH);                                                                                                 \
        }                                                                                                                        \
        return turned;                                                                                                           \
    }

FK_DEFINE_TURNS(global, __global)
#if FK_LOCAL
FK_DEFINE_TURNS(local, __local)
#define meet_all meet_all_local
#else
#define meet_all meet_all_global
#endif

/* x [batch][n][rows], w [batch][n][w_rows] (the identity before) or null. open[b]: 1 where the sweeps did not suffice.
 * memory: x and w of one matrix, with FK_LOCAL. */
__kernel FK_FIXED_GROUP void svd_jacobi(const int rows, const int n, const int w_rows, const real tolerance,
                                        const int most_sweeps, __global real* all_x, __global real* all_w, __global int* open,
                                        __local real* memory) {
    __local real scratch[3 * FK_GROUP];
    __local int any_turned;
    const size_t b = get_group_id(0);
    __global real* const from_x = all_x + b * n * rows;
    __global real* const from_w = all_w == 0 ? 0 : all_w + b * n * w_rows;
#if FK_LOCAL
    __local real* const x = memory;
    __local real* const w = from_w == 0 ? 0 : memory + n * rows;
    for (int i = FK_ITEM; i < n * rows; i += FK_GROUP) {
        x[i] = from_x[i];
    }
    for (int i = FK_ITEM; w != 0 && i < n * w_rows; i += FK_GROUP) {
        w[i] = from_w[i];
    }
    FK_BARRIER(CLK_LOCAL_MEM_FENCE);
#else
    __global real* const x = from_x;
    __global real* const w = from_w;
#endif
    bool turned = true;
    for (int sweep = 0; sweep < most_sweeps && turned; ++sweep) {
        turned = meet_all(x, rows, w, w_rows, n, tolerance, scratch);
#if FK_GROUP > 1
        if (FK_ITEM == 0) { /* by one alone: where all write it, PoCL 3.1 never sees the end of the sweeps */
            any_turned = 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (turned) {
            any_turned = 1;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        turned = any_turned != 0;
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }
#if FK_LOCAL
    for (int i = FK_ITEM; i < n * rows; i += FK_GROUP) {
        from_x[i] = x[i];
    }
    for (int i = FK_ITEM; w != 0 && i < n * w_rows; i += FK_GROUP) {
        from_w[i] = w[i];
    }
#endif
    if (FK_ITEM == 0) {
        open[b] = turned ? 1 : 0;
    }
}

/* One round of the tournament of blocks of `block` columns: group (i, b) is the i-th pair of matrix b. In the first round the
 * columns of each block meet one another, too. turned[b] becomes 1 where a column was turned. */
__kernel FK_FIXED_GROUP void svd_blocks(const int rows, const int n, const int w_rows, const real tolerance, const int block,
                                        const int round, __global real* all_x, __global real* all_w, __global int* turned) {
    __local real scratch[3 * FK_GROUP];
    const size_t b = get_group_id(1);
    __global real* const x = all_x + b * n * rows;
    __global real* const w = all_w == 0 ? 0 : all_w + b * n * w_rows;
    const int blocks = (n + block - 1) / block;
    const int last = blocks + blocks % 2 - 1;
    const int i = (int)get_group_id(0);
    const int one = i == 0 ? last : (round + i - 1) % last;
    const int other = (round + last - i - 1) % last;
    const int left = min(one, other) * block;
    const int right = max(one, other) * block;
    bool any_turned = false;
    if (round == 0) {
        for (int side = 0; side < 2; ++side) {
            const int at = side == 0 ? left : right;
            any_turned |= meet_all_global(x + (size_t)at * rows, rows, w == 0 ? 0 : w + (size_t)at * w_rows, w_rows,
                                          min(block, n - at), tolerance, scratch);
        }
    }
    for (int shift = 0; shift < block; ++shift) {
        for (int first = 0; first < block; first += FK_TEAMS) {
            const int p = first + FK_TEAM_OF;
            const int q = right + (p + shift) % block;
            const bool active = p < block && left + p < n && q < n;
            any_turned |= turn_pair_global(x, rows, w, w_rows, left + p, q, active, tolerance, scratch);
        }
        FK_BARRIER(FK_BOTH);
    }
    if (any_turned) {
        turned[b] = 1;
    }
}

/* Matrices in lanes: number (i, j) of matrix b at [b / lanes][j][i][b % lanes]; lanes a multiple of FK_LANES. */
__kernel __attribute__((vec_type_hint(vec))) void svd_lanes(const int batch, const int lanes, const int rows, const int n,
                                                            const real tolerance, const int most_sweeps, __global real* all_x,
                                                            __global real* all_w, __global int* open) {
    const int b = (int)get_global_id(0) * FK_LANES;
    if (b >= batch) {
        return;
    }
    __global real* const x = all_x + (size_t)(b / lanes) * lanes * n * rows + b % lanes;
    __global real* const w = all_w == 0 ? 0 : all_w + (size_t)(b / lanes) * lanes * n * n + b % lanes;
    const vec one = (vec)(1);
    const vec dead = (vec)(FK_DEAD * FK_DEAD);
    bool turned = true;
    for (int sweep = 0; sweep < most_sweeps && turned; ++sweep) {
        turned = false;
        for (int p = 0; p + 1 < n; ++p) {
            for (int q = p + 1; q < n; ++q) {
                __global real* const xp = x + (size_t)p * rows * lanes;
                __global real* const xq = x + (size_t)q * rows * lanes;
                vec a = (vec)(0), c = (vec)(0), g = (vec)(0);
                for (int i = 0; i < rows * lanes; i += lanes) {
                    const vec left = FK_LOAD(xp + i);
                    const vec right = FK_LOAD(xq + i);
                    a = FK_FMA(left, left, a);
                    c = FK_FMA(right, right, c);
                    g = FK_FMA(left, right, g);
                }
                const vec lengths = sqrt(a * c);
                const vec_mask apart = (fabs(g) > tolerance * lengths) & (a > dead) & (c > dead);
                if (!FK_ANY(apart)) {
                    continue;
                }
                turned = true;
                /* angle_of() in every lane; 0 where nothing is turned. */
                const vec scale = one / FK_WHERE(apart, lengths, one);
                const vec h = (c - a) * scale;
                const vec twice = 2 * (g * scale);
                const vec size = fabs(h) + sqrt(FK_FMA(h, h, twice * twice));
                const vec t = copysign(one, h) * twice / FK_WHERE(apart, size, one);
                const vec tangent = t / (one + sqrt(FK_FMA(t, t, one)));
                const vec k = FK_WHERE(apart, tangent, (vec)(0));
                const vec s = 2 * k / FK_FMA(k, k, one);
                __global real* left = xp;
                __global real* right = xq;
                for (int side = 0; side < (w == 0 ? 1 : 2); ++side) {
                    const int end = (side == 0 ? rows : n) * lanes;
                    for (int i = 0; i < end; i += lanes) {
                        const vec y = FK_LOAD(right + i);
                        const vec between = FK_FMA(-k, y, FK_LOAD(left + i));
                        const vec after = FK_FMA(s, between, y);
                        FK_STORE(after, right + i);
                        FK_STORE(FK_FMA(-k, after, between), left + i);
                    }
                    left = w + (size_t)p * n * lanes;
                    right = w + (size_t)q * n * lanes;
                }
            }
        }
    }
    for (int lane = 0; turned && lane < FK_LANES && b + lane < batch; ++lane) {
        open[b + lane] = 1;
    }
}

/* values[b][j], order[b][j]: the j-th largest length of a column of x, and which column that is; with `vectors`, columns become
 * of length 1, those of length FK_DEAD or less zeros. norms [batch][n]: room to work in. One group for each matrix. */
__kernel FK_FIXED_GROUP void svd_order(const fk_svd_view at, const int rows, const int n, const int k, const int vectors,
                                       __global real* all_x, __global real* values, __global int* order, __global real* norms) {
    __local real scratch[FK_GROUP];
    const int b = (int)get_group_id(0);
    __global real* const x = all_x + fk_matrix(at, b);
    values += (size_t)b * k;
    order += (size_t)b * n;
    norms += (size_t)b * n;
    for (int first = 0; first < n; first += FK_TEAMS) {
        const int j = first + FK_TEAM_OF;
        real sum = 0;
        for (int i = FK_MEMBER; j < n && i < rows; i += FK_TEAM) {
            const real value = x[(size_t)j * at.column + i * at.row];
            sum = FK_FMA(value, value, sum);
        }
        team_sums(&sum, 1, scratch);
        if (j < n && FK_MEMBER == 0) {
            norms[j] = sqrt(sum);
        }
    }
    FK_BARRIER(FK_BOTH);
    for (int j = FK_ITEM; j < n; j += FK_GROUP) {
        int rank = 0;
        for (int i = 0; i < n; ++i) {
            rank += norms[i] > norms[j] || (norms[i] == norms[j] && i < j) ? 1 : 0;
        }
        order[rank] = j;
        if (rank < k) {
            values[rank] = norms[j];
        }
    }
    for (int j = FK_TEAM_OF; vectors != 0 && j < n; j += FK_TEAMS) {
        const real factor = norms[j] > FK_DEAD ? 1 / norms[j] : (real)0;
        for (int i = FK_MEMBER; i < rows; i += FK_TEAM) {
            x[(size_t)j * at.column + i * at.row] *= factor;
        }
    }
}

/* Columns of length 1 where svd_order left zeros, from the alive[b]-th to the k-th of matrix b: the unit vector that the columns
 * so far cover least, orthogonalised against them twice, which is enough (L. Giraud, J. Langou, M. Rozloznik, J. van den Eshof,
 * "Rounding error analysis of the classical Gram-Schmidt orthogonalization process", 2005). Room to work in: dots [batch][n],
 * covered [batch][rows], the squared lengths of the columns' rows, and y [batch][rows]. One group for each matrix. */
__kernel FK_FIXED_GROUP void svd_complete(const fk_svd_view at, const int rows, const int n, const int k, __global real* all_x,
                                          __global const int* order, __global const int* alive, __global real* dots,
                                          __global real* covered, __global real* y) {
    const int b = (int)get_group_id(0);
    __global real* const x = all_x + fk_matrix(at, b);
    order += (size_t)b * n;
    dots += (size_t)b * n;
    covered += (size_t)b * rows;
    y += (size_t)b * rows;
    for (int i = FK_ITEM; i < rows; i += FK_GROUP) {
        real sum = 0;
        for (int c = 0; c < alive[b]; ++c) {
            const real value = x[(size_t)order[c] * at.column + i * at.row];
            sum = FK_FMA(value, value, sum);
        }
        covered[i] = sum;
    }
    for (int next = alive[b]; next < k; ++next) {
        FK_BARRIER(FK_BOTH);
        int unit = 0;
        for (int i = 1; i < rows; ++i) {
            unit = covered[i] < covered[unit] ? i : unit;
        }
        for (int i = FK_ITEM; i < rows; i += FK_GROUP) {
            y[i] = i == unit ? 1 : 0;
        }
        for (int pass = 0; pass < 2; ++pass) {
            FK_BARRIER(FK_BOTH);
            for (int c = FK_ITEM; c < next; c += FK_GROUP) {
                real dot = 0;
                for (int i = 0; i < rows; ++i) {
                    dot = FK_FMA(x[(size_t)order[c] * at.column + i * at.row], y[i], dot);
                }
                dots[c] = dot;
            }
            FK_BARRIER(FK_BOTH);
            /* All items go through the inner loop: PoCL 3.1 skips it for all where the last of a group has no row. */
            for (int first = 0; first < rows; first += FK_GROUP) {
                const int i = min(first + FK_ITEM, rows - 1);
                real taken = 0;
                for (int c = 0; c < next; ++c) {
                    taken = FK_FMA(dots[c], x[(size_t)order[c] * at.column + i * at.row], taken);
                }
                if (first + FK_ITEM < rows) {
                    y[i] -= taken;
                }
            }
        }
        FK_BARRIER(FK_BOTH);
        real sum = 0;
        for (int i = 0; i < rows; ++i) {
            sum = FK_FMA(y[i], y[i], sum);
        }
        FK_BARRIER(FK_BOTH);
        for (int i = FK_ITEM; i < rows; i += FK_GROUP) {
            const real value = y[i] / sqrt(sum);
            x[(size_t)order[next] * at.column + i * at.row] = value;
            covered[i] = FK_FMA(value, value, covered[i]);
        }
    }
}

/* signs[b][j]: -1 where the entry of largest magnitude (the first of equals) of column order[b][j] of x is negative, else 1.
 * order null: column j. */
__kernel void svd_sign(const fk_svd_view at, const int rows, const int k, const int batch, const int n,
                       __global const real* restrict x, __global const int* restrict order, __global real* restrict signs) {
    const int j = (int)get_global_id(0);
    const int b = (int)get_global_id(1);
    if (j >= k || b >= batch) {
        return;
    }
    const int column = order == 0 ? j : order[(size_t)b * n + j];
    real largest = 0;
    for (int i = 0; i < rows; ++i) {
        const real value = x[fk_at(at, b, i, column)];
        largest = fabs(value) > fabs(largest) ? value : largest;
    }
    signs[(size_t)b * k + j] = largest < 0 ? -1 : 1;
}

/* to[b, i, j] = from[b, i, order[b][j]] * factors[b * factor_batch + j * factor_column]; either may be null. */
__kernel void svd_copy(const fk_svd_view from_at, const fk_svd_view to_at, const int rows, const int columns, const int batch,
                       const int n, const int factor_batch, const int factor_column, __global const real* restrict from,
                       __global const int* restrict order, __global const real* restrict factors, __global real* restrict to) {
    const int i = (int)get_global_id(0);
    const int j = (int)get_global_id(1);
    const int b = (int)get_global_id(2);
    if (i >= rows || j >= columns || b >= batch) {
        return;
    }
    const real factor = factors == 0 ? (real)1 : factors[(size_t)b * factor_batch + (size_t)j * factor_column];
    to[fk_at(to_at, b, i, j)] = from[fk_at(from_at, b, i, order == 0 ? j : order[(size_t)b * n + j])] * factor;
}

/* The identity [n, n] of each matrix, or zeros everywhere (ones 0); what stands between columns is cleared as well. */
__kernel void svd_fill(const fk_svd_view at, const int rows, const int columns, const int batch, const int ones,
                       __global real* restrict to) {
    const int i = (int)get_global_id(0);
    const int j = (int)get_global_id(1);
    const int b = (int)get_global_id(2);
    if (i < rows && j < columns && b < batch) {
        to[fk_at(at, b, i, j)] = ones != 0 && i == j ? 1 : 0;
    }
}
