// The Winograd rows' half of the plan: weights transformed, tiles cut into runs.
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_shapes.h"
#include "ops/conv2d/leaf.hpp"

namespace fk::conv2d {

using Shape = fk_conv2d_shape;

// 3 x 3, stride 1, no dilation, one group.
bool winograd_fits(const Shape& shape);
// Work of the direct kernel and of F(tile x tile, 3 x 3), in fused multiply-adds of vectors of `lanes` floats; memory
// traffic of the weights is counted as what could be computed meanwhile.
double direct_work(const Shape& shape, int lanes);
double winograd_work(const Shape& shape, int lanes, int tile);

class Winograd {
  public:
    // Transforms w [oc, ic, 3, 3] (dense); bias [oc] may be null.
    Winograd(const Shape& shape, const Conv2dKernel& kernel, int lanes, const float* w, const float* bias, int threads);

    const ScratchBooking& scratch() const { return booking_; }
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
