// Pooling of bytes over windows of an image.
//
//   maximum   y = max x                                                              (exact; y's scale is x's)
//   average   y = clip( round( S (ratio / count) + z_y ), 0, 255 ),  S = sum (x - z_x)   ratio = s_x / s_y
//
// over the cells of the window inside the image; count as in pool. In float32 but for S, each operation rounded by itself.
// Values are kept in blocked channels [n, ceil(c / 16), h, w, 16] on every instruction set.
#pragma once

#include "base/scratch.hpp"
#include "fk_int8_shapes.h"
#include "ops/pool/pool.hpp"
#include "ops/pool_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::pool_int8 {

using Shape = pool::Shape;
using KernelRow = Row<Shape, PoolInt8Kernel>;

// Shapes as of pool; also refuses kinds other than maximum and average, and sums that could leave int32.
Shape infer(const pool::Params& params);
Cost cost(const Shape& shape);

// The shape as devices take it.
fk_pool_int8_shape device_shape(const Shape& shape, const Quantization& x, const Quantization& y);
Cost device_cost(const fk_pool_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_pool_int8_shape>& choose_device_kernel(const fk_pool_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // A maximum takes no notice of the quantisations: they are the same.
    Plan(const Shape& shape, const Quantization& x, const Quantization& y, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    void run(const std::uint8_t* x, std::uint8_t* y, int images) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    Quantization x_, y_;
    int threads_, bands_;
};

} // namespace fk::pool_int8
