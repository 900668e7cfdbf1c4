// The Winograd rows' half of the plan: weights transformed, tiles cut into runs.
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_shapes.h"
#include "ops/conv2d/leaf.hpp"

namespace fk::conv2d {

using Shape = fk_conv2d_shape;

// WINDOW x WINDOW, stride 1, no dilation, one group.
template <int WINDOW> bool winograd_fits(const Shape& s) {
    return s.kh == WINDOW && s.kw == WINDOW && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
           s.groups == 1;
}
// Work of the direct kernel and of a Winograd kernel, in fused multiply-adds of vectors of `lanes` floats; memory
// traffic of the weights is counted as what could be computed meanwhile.
double direct_work(const Shape& shape, int lanes);
double winograd_work(const Shape& shape, int lanes, const Conv2dKernel& kernel);

class Winograd {
  public:
    // Transforms w [oc, ic, window, window] (dense); bias [oc] may be null.
    Winograd(const Shape& shape, const Conv2dKernel& kernel, int lanes, const float* w, const float* bias, int threads);

    const ScratchBooking& scratch() const { return booking_; }
    // Multiply-adds of the products, two operations each: (m + r - 1)^2 for each tile and pair of channels, tiles at the border
    // whole. The sums of the transforms are not counted.
    double work_of_image() const;
    // How y is taken: the channels of the tensor that its images are those of, and whether as maxima of 2 x 2 outputs (then
    // there is no residual).
    struct Output {
        std::int64_t channels;
        bool pooled;
    };
    void run(const float* x, float* y, const float* residual, int images, const Output& output, Scratch& scratch) const;

  private:
    void pack(const float* w, const float* bias);

    Shape shape_;
    Conv2dKernel kernel_;
    int lanes_, threads_;
    int tiles_x_, tiles_image_;
    int run_ = 1; // tiles of a run, at most
    Tensor<float> weights_;
    Tensor<float> bias_;
    ScratchBooking booking_;
};

} // namespace fk::conv2d
