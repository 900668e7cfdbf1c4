// Softmax along the middle axis of x [n, size, inner], whose rows are those of a matrix on the processor (inner = 1):
//
//   y[r, i] = e^(x[r, i] - m_r) / sum_j e^(x[r, j] - m_r),  m_r = max_j x[r, j].
//
// The subtraction changes nothing in exact arithmetic and keeps e^ in range. A row with a NaN is NaN throughout.
#pragma once

#include "base/scratch.hpp"
#include "fk_softmax.h"
#include "ops/op.hpp"
#include "ops/softmax/leaf.hpp"

namespace fk::softmax {

using Shape = fk_softmax_shape;
using KernelRow = Row<Shape, SoftmaxKernel>;

struct Params {
    std::int64_t n = 1;
    std::int64_t size = 1;
    std::int64_t inner = 1;
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

    // x and y dense [rows, shape.size], whatever shape.inner; y may be x. Allocates nothing.
    void run(const float* x, float* y, std::int64_t rows, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
};

} // namespace fk::softmax
