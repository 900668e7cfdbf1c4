// Singular value decomposition:  A = U diag(s) V^T,  U^T U = V^T V = I,  s[0] >= s[1] >= ... >= 0,  in float32 or float64.
//
// Which way (G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., chapter 8 and section 10.4):
//   gram          float32, many more rows than columns: A^T A in float64 = R^T R; R = X diag(s) V^T; U = A (R^-1 X), and once
//                 more for orthogonality where the condition number asks for it (Y. Yamamoto et al., "Roundoff error analysis of
//                 the CholeskyQR2 algorithm", 2015). Left for qr where it is past what float32 tells from zero.
//   qr            A = Q R by Householder reflections in blocks (R. Schreiber, C. Van Loan, 1989), of many rows as a tree of
//                 pieces that fit the cache (J. Demmel et al., "Communication-optimal parallel and sequential QR", 2012); then R.
//   jacobi        small squares: one-sided rotations (M. R. Hestenes, 1958); batches of small matrices one in each vector lane.
//   bidiagonal    Householder from both sides in panels (J. Dongarra, D. Sorensen, S. Hammarling, 1989), up to 1,280 columns in
//                 float64, then divide and conquer (M. Gu, S. Eisenstat, 1995); values alone by implicit QR (J. Demmel, W. Kahan,
//                 "Accurate singular values of bidiagonal matrices", 1990).
//   randomized    k of them from a random subspace (N. Halko, P. G. Martinsson, J. A. Tropp, 2011).
//
// The work is done on the tall way round; a wide matrix is read as its transpose. Signs: the entry of largest magnitude (the
// first of equals) of each row of V^T is positive where m >= n, of each column of U otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/view.hpp"
#include "fk_svd.h"
#include "ops/op.hpp"
#include "ops/svd/leaf.hpp"

namespace fk::svd {

using Shape = fk_svd_shape;

// The numbers of fk_svd.h.
enum class Method { automatic, gram, qr, jacobi, bidiagonal, randomized };
inline Method method_of(const Shape& s) { return static_cast<Method>(s.method); }

inline int u_columns(const Shape& s) { return s.full != 0 ? s.m : s.k; }
inline int vt_rows(const Shape& s) { return s.full != 0 ? s.n : s.k; }
inline std::uint64_t seed_of(const Shape& s) { return static_cast<std::uint64_t>(s.seed_high) << 32 | s.seed_low; }

using KernelRow = Row<Shape, SvdKernel>;

struct Params {
    std::array<std::int64_t, 3> a{}; // batch, m, n
    std::optional<std::int64_t> k;   // all without it
    bool full = false, vectors = true;
    std::string method = "auto";
    std::int64_t oversample = 10, iterations = 4, seed = 0;
    bool wide_type = false;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);

// The row of kernels.inc for a device; ValueError, which says what is served, where none is.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// Dense results: u [batch, m, u_columns], s [batch, k], vt [batch, vt_rows, n]; u and vt null where only values are wanted.
template <class T> struct Results {
    T* u;
    T* s;
    T* vt;
};

// Reads a [batch, m, n] as it stands and gives the way that was taken, for example "qr+bidiagonal". The same bits for every
// number of threads. Throws ValueError for a NaN or an infinity, before any work, and where a reduction does not converge.
template <class T> std::string decompose(const Shape& shape, const View<const T>& a, const Results<T>& to, int threads);

// For each matrix of a [batch, m, n] the power of two above its largest magnitude, as an exponent, no less than that of the
// number whose inverse still is one. Throws ValueError for a NaN or an infinity.
template <class T> std::vector<int> exponents(const View<const T>& a, int threads);

// The Gaussian numbers [n, l], by columns ld apart, from which the randomized method starts on every backend.
template <class T> void sketch(std::uint64_t seed, std::int64_t n, std::int64_t l, T* to, std::int64_t ld);

} // namespace fk::svd
