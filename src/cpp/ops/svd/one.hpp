// One matrix: which way, and the way.
#pragma once

#include "ops/svd/svd.hpp"
#include "ops/svd/work.hpp"

namespace fk::svd {

// Matrix `index` of a, all of it finite and `largest` its largest magnitude; gives the way that was taken.
template <class T> std::string decompose_one(const Worker<T>& worker, const Shape& shape, const View<const T>& a,
                                             std::int64_t index, T largest, const Results<T>& to);

} // namespace fk::svd
