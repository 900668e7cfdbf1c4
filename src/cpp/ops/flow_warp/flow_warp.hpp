// A picture sampled along a flow field, backward and bilinear:
//
//   y(x) = image(x + u(x)),   beyond the border `fill` or the nearest pixel; where the motion is unknown (no number, or beyond
//   1e9 pixels) `fill`.
//
// uint8 is rounded, floor(y + 1/2). The same bits on every instruction set.
#pragma once

#include "base/view.hpp"
#include "fk_flow_warp.h"
#include "ops/flow_warp/leaf.hpp"
#include "ops/op.hpp"

namespace fk::flow_warp {

struct Params {
    std::array<std::int64_t, 3> x{};    // height, width, channels
    std::array<std::int64_t, 3> flow{}; // height, width, 2
    bool replicate = false, is_float = false;
    double fill = 0;
};

using Shape = fk_flow_warp_shape;

using KernelRow = Row<Shape, FlowWarpKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl").
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    template <class T> void run(const View<const T>& x, const float* flow, T* y) const;

  private:
    Shape shape_;
    const KernelRow* row_;
    int threads_;
};

} // namespace fk::flow_warp
