// Pooling over a whole image:  y[n, c] = max_{i, j} x[n, c, i, j]  (NaN if any is)   or   sum_{i, j} x / (h w).
#pragma once

#include "base/scratch.hpp"
#include "ops/global_pool/leaf.hpp"
#include "ops/op.hpp"

namespace fk::global_pool {

struct Shape {
    int n, c, ih, iw;
    int kind;
};
using KernelRow = Row<Shape, GlobalPoolKernel>;

struct Params {
    std::array<std::int64_t, 4> x{}; // n, c, ih, iw
    GlobalPoolKind kind = global_pool_average;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);

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
