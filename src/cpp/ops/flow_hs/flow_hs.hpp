// Dense optical flow by Horn and Schunck's method, the classical reference.
//
//   B. K. P. Horn, B. G. Schunck, "Determining optical flow", Artificial Intelligence 17, 1981.
//
// It minimises sum (Ix u + Iy v + It)^2 + alpha^2 (|grad u|^2 + |grad v|^2) by `iterations` steps of
//
//   u <- mean u - Ix (Ix mean u + Iy mean v + It) / (alpha^2 + Ix^2 + Iy^2),   and likewise v,
//
// mean u = (sum of the four sides) / 6 + (sum of the four corners) / 12, copies of the outermost pixels beyond the border. The
// derivatives are means over cubes of 2 x 2 x 2 pixels. Motions of more than about a pixel are not found: there is one level.
#pragma once

#include "fk_flow_hs.h"
#include "ops/flow_hs/leaf.hpp"
#include "ops/op.hpp"

namespace fk::flow_hs {

struct Params {
    std::array<std::int64_t, 2> from{}, to{};
    std::int64_t from_pixel = 1, to_pixel = 1; // strides of a row's pixels, elements
    bool from_float = false, to_float = false;
    double alpha = 10, white = 255;
    std::int64_t iterations = 100;
};

using Shape = fk_flow_hs_shape;

using KernelRow = Row<Shape, HsTable>;

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl").
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

struct Frame {
    const void* pixels;
    std::int64_t row; // elements
};

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    // flow [height, width, 2]
    void run(const Frame& from, const Frame& to, float* flow) const;

  private:
    void derive(const Frame& from, const Frame& to, float* const* gradients, int threads) const;

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    std::int64_t line_; // floats of a row of a plane
};

} // namespace fk::flow_hs
