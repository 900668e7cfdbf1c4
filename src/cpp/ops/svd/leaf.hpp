// What the steps of a singular value decomposition are given. Plain data.
//
// Matrices stand by columns unless said otherwise: element (i, j) at [i + j ld].
#pragma once

#include <stdint.h>

namespace fk {

// Blocks of a product: packed pieces of both sides stand in the second-level cache together.
constexpr int svd_depth = 256;   // of the sum
constexpr int svd_rows = 168;    // of the left side; 168 = 12 x 14 = 28 x 6 = 42 x 4
constexpr int svd_columns = 256; // of the right side
constexpr int svd_pad = 64;      // vectors that are rotated stand this many numbers apart, or a multiple

// C[i, j] (+)= scale sum_p A[i, p] B[p, j]; C by rows: element (i, j) at [i ldc + j]; A and B with any strides.
template <class T> struct SvdProduct {
    const T* a;
    int64_t a_row, a_column;
    const T* b;
    int64_t b_row, b_column;
    T* c;
    int64_t ldc;
    int64_t m, n, k;
    T scale;
    bool add;
    T* packed; // svd_packed numbers
};
constexpr int64_t svd_packed = static_cast<int64_t>(svd_depth) * (svd_rows + svd_columns);

// G[i, j] += sum_p A[p, i] A[p, j] for i <= j (the rest of a tile may be written too), A float32 by rows, sums in float64.
struct SvdGram {
    const float* a;
    int64_t row, column; // strides of A
    int64_t rows, n;
    double* g; // [n, ldg]
    int64_t ldg;
    double* packed; // svd_depth * round_up(n, svd_pad) numbers
};

// Plane rotations of neighbouring vectors, one chain: for k = 0 .. count - 1
//   (x[k], x[k + 1]) <- (c x[k] + s x[k + 1], c x[k + 1] - s x[k]),  x[k] the vector first + k step.
struct SvdSweep {
    int64_t at; // of its cosines and sines
    int32_t first, count, step;
};
template <class T> struct SvdRotations {
    T* vectors;
    int64_t ld;         // a multiple of svd_pad
    int64_t begin, end; // numbers of each vector, multiples of svd_pad
    const SvdSweep* sweeps;
    int64_t sweep_count;
    const T* cosines;
    const T* sines;
};

// One-sided Jacobi on as many matrices as there are lanes: x [n][m][lanes] (columns), m >= n. Each is multiplied with its scale
// and then with lift, so that products of four numbers neither vanish nor overflow. Afterwards x are the left vectors, v
// [n][n][lanes] the right ones, squares [n][lanes] the values, divided by lift and multiplied with back, all sorted and signed.
template <class T> struct SvdLanes {
    T* x;
    T* v; // null: no vectors
    T* squares;
    const T* scales; // [lanes], as back
    const T* back;
    T lift;
    int32_t m, n;
    T tolerance;
    T smallest_share; // of squared values: below it rounding errors of the large are no longer small beside the small
    int32_t most_sweeps;
};

// Number f of matrix i, at [i step + f], to and from lanes [place[f]][i].
template <class T> struct SvdLaneCopy {
    const T* matrices; // in
    T* out;
    int64_t step;
    int32_t count, size; // matrices, numbers of each
    const int32_t* place;
    T* lanes;
};

// One-sided Jacobi on one matrix: x and v by columns, ld a multiple of svd_pad and zero beyond the rows; numbers of x so large
// that products of four neither vanish nor overflow.
template <class T> struct SvdColumns {
    T* x;
    T* v;
    int64_t ld;
    int32_t n;
    T* squares;           // [n]
    T* work;              // [4 (half + svd_pad)], its padding finite
    const int32_t* pairs; // [rounds][2][half]: the pairs of a round share no column
    int32_t rounds, half;
    T tolerance;
    int32_t most_sweeps;
};

// The same on one of up to 2 svd_half columns: x and v by rows, each in two halves, the columns' places the same in both; zeros
// past the columns, and a row of zeros where their number is odd.
constexpr int svd_half = 16;
template <class T> struct SvdRows {
    T* x; // [rows][2][svd_half]
    T* v;
    int32_t rows; // even; up to 16 only the first eight places of a half are taken
    T* squares;   // [2][svd_half]
    T tolerance;
    int32_t most_sweeps;
};

// The square matrix with z in its first row and d below on the diagonal, d[0] = 0 and the rest rising. All arrays have room for
// a whole vector at the end.
struct SvdSecular {
    const double* d;       // [k]
    const double* z;       // [k]
    const double* squares; // [k], of z
    int32_t k;
    int32_t begin, end; // of the roots, or of the weights; begin a multiple of 8
    double tolerance;   // what counts for 0 beside the terms of a sum
    double* origins;    // root i: values[i]^2 = origins[i]^2 + x[i]
    double* x;
    double* values;
    double* weights; // the z that belongs to the roots as they are
};
constexpr int svd_root_lanes = 8; // at most

// Its vectors, by rows: [k][ld], row j for d[j], in any order; zero: the row of d = 0.
template <class T> struct SvdSecularVectors {
    const double* d;
    const double* weights;
    int32_t k, zero;
    const double* origins;
    const double* x;
    int64_t begin, end; // roots
    T* right;
    T* left;
    int64_t ld;
    double* work; // [k][svd_root_lanes]
};

template <class T> struct SvdSteps {
    // y[j] = sum_i a[i, j] x[i]
    void (*dots)(const T* a, int64_t lda, int64_t rows, int64_t columns, const T* x, T* y);
    // y[i] += scale sum_j a[i, j] x[j]
    void (*combine)(const T* a, int64_t lda, int64_t rows, int64_t columns, const T* x, T scale, T* y);
    void (*product)(const SvdProduct<T>&);
    void (*rotate)(const SvdRotations<T>&);
    // The largest magnitude; NaN where a number is NaN or infinite.
    T (*largest)(const T* x, int64_t n);
    // Bits of the lanes that have not converged, or have a value next to nothing.
    unsigned (*lanes_jacobi)(const SvdLanes<T>&);
    void (*into_lanes)(const SvdLaneCopy<T>&);
    void (*out_of_lanes)(const SvdLaneCopy<T>&);
    // False where it has not converged.
    bool (*jacobi)(const SvdColumns<T>&);
    bool (*rows_jacobi)(const SvdRows<T>&); // null: jacobi serves small ones too
    void (*secular_vectors)(const SvdSecularVectors<T>&);
    int32_t lanes; // matrices that lanes_jacobi takes
};

struct SvdKernels {
    SvdSteps<float> f32;
    SvdSteps<double> f64;
    void (*gram)(const SvdGram&);
    void (*secular)(const SvdSecular&);
    void (*secular_weights)(const SvdSecular&);
};

using SvdKernel = const SvdKernels* (*)();

} // namespace fk
