// Depthwise-separable convolution: a depthwise convolution and the pointwise one that follows, a band of rows at a time.
//
//   y = pointwise( depthwise(x) ),  each with bias and activation as in its own contract (Howard et al. 2017, section 3.1).
//
// The band that lies between stays in the second-level cache: of 32 channels at 80 x 80, 0.8 MB are neither written to the
// third level nor read from there. Both halves are the kernels of depthwise and conv2d; there is none of its own, but on
// devices.
#pragma once

#include "base/scratch.hpp"
#include "fk_separable.h"
#include "ops/conv2d/conv2d.hpp"
#include "ops/depthwise/depthwise.hpp"

namespace fk::separable {

// Weights of one half, dense; bias may be null.
struct Filters {
    const float* w;
    const float* bias;
};

Cost cost(const depthwise::Shape& first, const conv2d::Shape& second);

// Both halves as devices take them. Throws ValueError as the plan does.
using Shape = fk_separable_shape;
Shape device_shape(const depthwise::Shape& first, const conv2d::Shape& second);
Cost device_cost(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// Whether whole rows can be shared evenly among the threads. Of 7 rows, one of two threads would do 4: there the halves are
// faster one after the other, shared by channels and by pixels (7 x 7, 1,024 channels, two threads: 540 -> 490 us).
bool rows_share_evenly(const depthwise::Shape& first, int threads);

class Plan {
  public:
    // Throws ValueError where the second is not pointwise (1 x 1, stride 1, one group, no padding) or does not take what the
    // first gives.
    Plan(const depthwise::Shape& first, const Filters& first_filters, const conv2d::Shape& second, const Filters& second_filters,
         int threads);

    int block() const { return second_.block(); }
    struct Served {
        const char* name;
        Isa isa;
    };
    Served kernel() const { return {"bands", second_.kernel().isa}; }
    ScratchBooking scratch() const { return booking_; }

    // x, y (and residual, like y; may be null) hold `images` <= n images in blocked channels. Allocates nothing.
    void run(const float* x, float* y, const float* residual, int images, Scratch& scratch) const;

  private:
    depthwise::Shape shape_;
    int channels_; // of y
    int threads_;
    conv2d::Plan second_;
    depthwise::Plan first_;
    int bands_;
    ScratchBooking booking_;
};

} // namespace fk::separable
