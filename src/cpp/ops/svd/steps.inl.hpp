// The table of vector steps of one instruction set.
#pragma once

#include "ops/svd/columns.inl.hpp"
#include "ops/svd/jacobi.inl.hpp"
#include "ops/svd/lanes.inl.hpp"
#include "ops/svd/product.inl.hpp"
#include "ops/svd/rows.inl.hpp"
#include "ops/svd/secular.inl.hpp"

namespace fk::FK_ISA {
namespace {

template <class T> constexpr SvdSteps<T> steps_of() {
    return {.dots = &dots<T>,
            .combine = &combine<T>,
            .product = &multiply<T>,
            .rotate = &rotate<T>,
            .largest = &largest<T>,
            .lanes_jacobi = &lanes_jacobi<T>,
            .into_lanes = &into_lanes<T>,
            .out_of_lanes = &out_of_lanes<T>,
            .jacobi = &jacobi<T>,
            .rows_jacobi = &rows_jacobi<T>,
            .secular_vectors = &secular_vectors<T>,
            .lanes = twins * Wide<T>::width};
}
constexpr SvdKernels table{steps_of<float>(), steps_of<double>(), &gram_upper, &secular, &secular_weights};

} // namespace

const SvdKernels* svd_vector();
const SvdKernels* svd_vector() { return &table; }

} // namespace fk::FK_ISA
