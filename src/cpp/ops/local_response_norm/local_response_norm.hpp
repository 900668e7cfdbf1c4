// Local response normalisation across channels:
//
//   y[n, c, i, j] = x[n, c, i, j] / ( k + alpha / size  sum_{c' = c - floor(size / 2)}^{c + floor((size - 1) / 2)}
//   x[n, c', i, j]^2 )^beta
//
// with x = 0 beyond the first and last channel; the sum is always divided by the whole size.
#pragma once

#include "base/scratch.hpp"
#include "fk_local_response_norm.h"
#include "ops/local_response_norm/leaf.hpp"
#include "ops/op.hpp"

namespace fk::local_response_norm {

using Shape = fk_local_response_norm_shape;
using KernelRow = Row<Shape, LocalResponseNormKernel>;

struct Params {
    std::array<std::int64_t, 4> x{}; // n, c, ih, iw
    std::int64_t size = 5;
    double alpha = 1e-4;
    double beta = 0.75;
    double k = 1.0;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    Plan(const Shape& shape, int threads, int block = 0);

    int block() const { return row_->block; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return booking_; }

    // x and y hold `images` <= shape.n images in blocked channels; y must not be x. Allocates nothing.
    void run(const float* x, float* y, int images, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
    ScratchBooking booking_;
};

} // namespace fk::local_response_norm
