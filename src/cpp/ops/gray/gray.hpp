// Grey picture from colour, luma of ITU-R BT.601 in fixed point, the same bits on every instruction set:
//
//   y[i, j] = floor( (19595 R + 38470 G + 7471 B + 32768) / 65536 )
//
// (the conversion of Pillow's mode "L"). A fourth channel is not looked at.
#pragma once

#include "base/scratch.hpp"
#include "base/view.hpp"
#include "ops/gray/leaf.hpp"
#include "ops/op.hpp"

namespace fk::gray {

struct Params {
    std::array<std::int64_t, 3> x{}; // height, width, channels
};

using Shape = fk_gray_shape;

using KernelRow = Row<Shape, GrayKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row of a device's list that serves a shape; throws ValueError where none does.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    Plan(const Shape& shape, bool packed, int threads); // packed: the bytes of a row stand side by side
    ScratchBooking scratch() const { return booking_; }
    // x [height, width, channels] of any strides; y [height, width] dense.
    void run(const View<const std::uint8_t>& x, std::uint8_t* y, Scratch& scratch) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    bool packed_;
    int threads_;
    std::int64_t rows_per_task_;
    ScratchBooking booking_;
};

} // namespace fk::gray
