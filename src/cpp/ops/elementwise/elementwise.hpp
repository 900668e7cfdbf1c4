// Pointwise functions and sums over flat arrays:  y[i] = act( a[i] )   or   act( a[i] + b[i] ).
// The layout does not matter; padded lanes of blocked channels are computed along.
#pragma once

#include "base/scratch.hpp"
#include "fk_elementwise.h"
#include "ops/activation.hpp"
#include "ops/elementwise/leaf.hpp"
#include "ops/op.hpp"

namespace fk::elementwise {

using Shape = fk_elementwise_shape;
using KernelRow = Row<Shape, ElementwiseKernel>;

struct Params {
    Activation activation;
    std::int64_t n = 1; // arrays of `size` numbers
    std::int64_t size = 1;
    int inputs = 1;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    Plan(const Shape& shape, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    // y = act(a), or act(a + b) where b is not null, over `count` numbers. y may be a or b themselves. Allocates nothing.
    void run(const float* a, const float* b, float* y, std::int64_t count, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
};

} // namespace fk::elementwise
