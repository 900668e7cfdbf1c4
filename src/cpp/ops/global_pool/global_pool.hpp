// Pooling over a whole image:  y[n, c] = max_{i, j} x[n, c, i, j]  (NaN if any is)   or   sum_{i, j} x / (h w).
#pragma once

#include "base/scratch.hpp"
#include "fk_global_pool.h"
#include "ops/global_pool/leaf.hpp"
#include "ops/op.hpp"

namespace fk::global_pool {

using Shape = fk_global_pool_shape;
using KernelRow = Row<Shape, GlobalPoolKernel>;

struct Params {
    std::array<std::int64_t, 4> x{}; // n, c, ih, iw
    GlobalPoolKind kind = global_pool_average;
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
    ScratchBooking scratch() const { return {}; }

    // x: `images` <= shape.n images in blocked channels; y: dense [images, c], no padded lanes. Allocates nothing.
    void run(const float* x, float* y, int images, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
};

} // namespace fk::global_pool
