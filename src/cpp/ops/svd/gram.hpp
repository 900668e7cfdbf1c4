// Tall float32 matrices through A^T A in float64.
#pragma once

#include "ops/svd/core.hpp"

namespace fk::svd {

// A x, for x [n, k] by rows: to [m, k], any strides of which one is 1.
template <class T> void times_small(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n,
                                    const T* x, std::int64_t k, const Strided<T>& to);

// The first k triples of a [m, n], m >= n: u [m, k] is written, v and s (and the method of the square) come back in `square`.
// False where the condition number is past what this way can bear; then nothing is said about u. largest: of a.
bool gram(const Worker<float>& worker, const Strided<const float>& a, std::int64_t m, std::int64_t n, std::int64_t k,
          bool vectors, const Strided<float>& u, Square<float>& square);

// The decomposition of a square matrix by `jacobi` where that is wanted (and can do it), else by bidiagonal, `exact` as there.
template <class T>
Square<T> decompose_square(const Worker<T>& worker, const Columns<T>& a, bool vectors, bool by_jacobi, bool exact);

inline constexpr std::int64_t jacobi_most = 40; // from here on bidiagonal is quicker
// Up to here a square of float32 is reduced in float64: its rounding is most of the residual (512 x 512: 1.5 -> 1.0 units of
// 2^-23), and the matrix is read from the second-level cache or near it. Beyond, it would cost half of the speed.
inline constexpr std::int64_t exact_most = 1280;

} // namespace fk::svd
