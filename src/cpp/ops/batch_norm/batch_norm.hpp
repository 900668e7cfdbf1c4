// Batch normalisation at inference, unfused:
//
//   y[n, c, i, j] = act( gamma[c] (x[n, c, i, j] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c] )
//
// computed as x scale + shift with scale and shift made once in double precision.
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_batch_norm.h"
#include "ops/activation.hpp"
#include "ops/batch_norm/leaf.hpp"
#include "ops/op.hpp"

namespace fk::batch_norm {

using Shape = fk_batch_norm_shape;
using KernelRow = Row<Shape, BatchNormKernel>;

struct Params {
    std::array<std::int64_t, 4> x{};          // n, c, ih, iw
    std::array<std::int64_t, 4> statistics{}; // lengths of gamma, beta, mean, variance
    double epsilon = 1e-5;
    Activation activation;
};

Shape infer(const Params& params);
// sqrt(variance[c] + epsilon). Throws ValueError where that sum is not positive.
double deviation(const float* variance, std::int64_t c, double epsilon);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    // gamma, beta, mean, variance: [c] each. Throws ValueError where variance + epsilon is not positive.
    Plan(const Shape& shape, const float* gamma, const float* beta, const float* mean, const float* variance, int threads,
         int block = 0);

    int block() const { return row_->block; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    // x and y hold `images` <= shape.n images in blocked channels; y may be x. Allocates nothing.
    void run(const float* x, float* y, int images, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
    Tensor<float> scale_;
    Tensor<float> shift_;
};

} // namespace fk::batch_norm
