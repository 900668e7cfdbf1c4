// Pooling over a sliding window W(i, j) of size kh x kw, cells outside the image left out:
//
//   max      y = max x            (NaN if any cell is NaN)
//   average  y = sum x / count    count = cells inside the image, or kh kw with count_include_pad
//   l2       y = sqrt(sum x^2)
#pragma once

#include "base/scratch.hpp"
#include "fk_pool.h"
#include "ops/op.hpp"
#include "ops/pool/leaf.hpp"
#include "ops/window.hpp"

namespace fk::pool {

using Shape = fk_pool_shape;
using KernelRow = Row<Shape, PoolKernel>;

struct Params {
    std::array<std::int64_t, 4> x{}; // n, c, ih, iw
    WindowParams window{};
    PoolKind kind = pool_max;
    bool count_include_pad = false;
};

// The only judge of shapes. Throws ValueError with the numbers.
Shape infer(const Params& params);
Cost cost(const Shape& shape);
PoolWindow window_of(const Shape& shape); // as kernels take it
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    // block other than 0 asks for kernels on that channel block.
    Plan(const Shape& shape, int threads, int block = 0);

    int block() const { return row_->block; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    // x and y hold `images` <= shape.n images in blocked channels. Allocates nothing.
    void run(const float* x, float* y, int images, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
    int bands_;
};

} // namespace fk::pool
