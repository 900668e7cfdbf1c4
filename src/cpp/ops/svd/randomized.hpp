// A few singular triples from a random subspace.
#pragma once

#include "ops/svd/work.hpp"

namespace fk::svd {

// An orthonormal basis [n, l] of about the space of the largest right singular vectors of a [m, n] (N. Halko, P. G. Martinsson,
// J. A. Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithm 4.4 on A^T): l Gaussian vectors, multiplied
// with A^T A iterations + 1 times and made orthonormal each time. a is multiplied with scale.
template <class T> Matrix<T> random_range(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n,
                                          T scale, std::int64_t l, int iterations, std::uint64_t seed);

} // namespace fk::svd
