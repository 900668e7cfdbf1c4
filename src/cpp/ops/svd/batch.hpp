// Many small matrices at once, one in each lane of the vectors.
#pragma once

#include <vector>

#include "ops/svd/svd.hpp"

namespace fk::svd {

bool fits_lanes(const Shape& shape);

// largest: the largest magnitude of each matrix. Gives the numbers of the matrices that are left to be done one by one: where a
// singular value is next to nothing beside another.
template <class T> std::vector<std::int64_t> decompose_lanes(const SvdSteps<T>& steps, const Shape& shape, const View<const T>& a,
                                                             const std::vector<T>& largest, const Results<T>& to, int threads);

} // namespace fk::svd
