/* The resolved Shape of a singular value decomposition, and how its device kernels find the numbers of a matrix. */
#ifndef FK_SVD_H
#define FK_SVD_H

/* Thin, k triples, or full matrices of a [batch, m, n]. */
typedef struct fk_svd_shape {
    int batch, m, n;
    int k;       /* triples that are wanted */
    int full;    /* 1: U [m, m] and V^T [n, n] */
    int vectors; /* 0: s alone */
    int method;  /* 0 auto, 1 gram, 2 qr, 3 jacobi, 4 bidiagonal, 5 randomized */
    int oversample, iterations;
    unsigned int seed_low, seed_high;
    int wide_type; /* 1: float64 */
} fk_svd_shape;

/* Where element (i, j) of matrix b stands:
 * (b / lanes) * batch + b % lanes + (i / piece) * piece_step + (i % piece) * row + j * column.
 * lanes > 1: so many matrices side by side, one number of each in turn. piece: rows that stand together. */
typedef struct fk_svd_view {
    int lanes, piece;
    int row, column;
    unsigned int batch, piece_step;
} fk_svd_view;

#endif
