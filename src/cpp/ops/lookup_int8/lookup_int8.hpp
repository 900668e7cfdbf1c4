// Any function of one byte:  y = table[x].
//
// Between quantised values a function f is the table of round( f(s_x (q - z_x)) / s_y + z_y ), clipped to 0..255: an
// activation, or a change of scale.
#pragma once

#include <array>
#include <functional>

#include "base/scratch.hpp"
#include "fk_int8_shapes.h"
#include "ops/lookup_int8/leaf.hpp"
#include "ops/op.hpp"
#include "ops/requantize.hpp"

namespace fk::lookup_int8 {

struct Shape {
    std::int64_t count; // bytes of an image, a multiple of 16
};
using KernelRow = Row<Shape, LookupInt8Kernel>;
using Table = std::array<std::uint8_t, 256>;

Table tabulate(const Quantization& x, const Quantization& y, const std::function<float(float)>& f);
Cost cost(const Shape& shape);

// The shape as devices take it, for n images. Throws ValueError as Plan does.
fk_lookup_int8_shape device_shape(const Shape& shape, int n);
Cost device_cost(const fk_lookup_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_lookup_int8_shape>& choose_device_kernel(const fk_lookup_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // Throws ValueError where the count is no multiple of 16.
    Plan(const Shape& shape, const Table& table, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }
    void run(const std::uint8_t* x, std::uint8_t* y, int images) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    Table table_;
    int threads_;
};

} // namespace fk::lookup_int8
