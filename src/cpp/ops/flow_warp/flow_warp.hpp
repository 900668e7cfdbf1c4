// A picture sampled along a flow field, backward and bilinear:
//
//   y(x) = image(x + u(x)),   beyond the border `fill` or the nearest pixel; where the motion is unknown (no number, or beyond
//   1e9 pixels) `fill`.
//
// uint8 is rounded, floor(y + 1/2). The same bits on every instruction set.
#pragma once

#include "base/view.hpp"
#include "ops/flow_warp/leaf.hpp"
#include "ops/op.hpp"

namespace fk::flow_warp {

struct Params {
    std::array<std::int64_t, 3> x{};    // height, width, channels
    std::array<std::int64_t, 3> flow{}; // height, width, 2
    bool replicate = false, is_float = false;
    double fill = 0;
};

struct Shape {
    int height, width, channels;
    bool replicate, is_float;
    float fill;
};

using KernelRow = Row<Shape, FlowWarpKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape);

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
