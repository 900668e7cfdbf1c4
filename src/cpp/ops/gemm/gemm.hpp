// Matrix product with a packed right side:  C[i, j] = act( sum_p A[i, p] B[p, j] + bias[j] ), row-major.
//
// B (the weights) is packed once; A and C are read and written where they stand, with any distance between rows.
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_gemm.h"
#include "ops/activation.hpp"
#include "ops/gemm/leaf.hpp"
#include "ops/op.hpp"

namespace fk::gemm {

using Shape = fk_gemm_shape;
using KernelRow = Row<Shape, GemmKernel>;

struct Params {
    std::array<std::int64_t, 2> a{}; // m, k
    std::array<std::int64_t, 2> b{}; // k, n; or n, k when transposed
    bool transposed = false;
    std::int64_t bias = -1; // length, -1: none
    Activation activation;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    // Packs b: element (p, j) stands at b[p * ldb + j], or at b[j * ldb + p] when transposed. bias [n] may be null.
    Plan(const Shape& shape, const float* b, std::int64_t ldb, const float* bias, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return booking_; }

    // m <= shape.m rows. A must not overlap C. Allocates nothing.
    void run(const float* a, std::int64_t lda, float* c, std::int64_t ldc, int m, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
    Tensor<float> panels_;
    Tensor<float> bias_;
    ScratchBooking booking_;
};

} // namespace fk::gemm
