// Channels of several images of bytes, of one scale and zero point, behind each other; blocked channels
// [n, ceil(c / 16), pixels, 16] in and out.
#pragma once

#include <vector>

#include "fk_int8_shapes.h"
#include "ops/concat/concat.hpp"
#include "ops/concat_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::concat_int8 {

using Shape = concat::Shape;
using KernelRow = Row<Shape, ConcatInt8Kernel>;

Cost cost(const Shape& shape);

// Piece number `piece` as devices take it.
fk_concat_int8_shape device_shape(const Shape& shape, int piece);
Cost device_cost(const fk_concat_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_concat_int8_shape>& choose_device_kernel(const fk_concat_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // A shape of concat::infer.
    Plan(const Shape& shape, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }
    // Piece number `piece`, `images` images of it, into its place in y.
    void run(int piece, const std::uint8_t* x, std::uint8_t* y, int images) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
};

} // namespace fk::concat_int8
