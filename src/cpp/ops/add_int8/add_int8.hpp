// Sum of two arrays of bytes:  y = clip( round( (a s_a / s_y + offset) + b s_b / s_y ), low, high ),
// offset = z_y - z_a s_a / s_y - z_b s_b / s_y;  in float32, each operation rounded by itself.
#pragma once

#include "base/scratch.hpp"
#include "fk_int8_shapes.h"
#include "ops/add_int8/leaf.hpp"
#include "ops/op.hpp"
#include "ops/requantize.hpp"

namespace fk::add_int8 {

struct Shape {
    std::int64_t count; // bytes of an image, a multiple of 16
};
using KernelRow = Row<Shape, AddInt8Kernel>;

struct Params {
    std::int64_t count = 0;
    Quantization a, b, y;
    float low = 0, high = 255;
};

Cost cost(const Shape& shape);

// The shape as devices take it, for n images of p.count bytes. Throws ValueError as Plan does.
fk_add_int8_shape device_shape(const Params& p, int n);
Cost device_cost(const fk_add_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_add_int8_shape>& choose_device_kernel(const fk_add_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // Throws ValueError where the count is no multiple of 16 or a factor is not finite.
    Plan(const Params& params, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }
    void run(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y, int images) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    AddInt8Leaf leaf_{};
    int threads_;
};

} // namespace fk::add_int8
