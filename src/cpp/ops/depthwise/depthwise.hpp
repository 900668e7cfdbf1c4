// Depthwise convolution: every channel has filters of its own.
//
//   y[n, o, i, j] = act( b[o] + r[n, o, i, j] + sum_{p, q} w[o, 0, p, q] x[n, floor(o / m), i s_h + p d_h - pad_top,
//   j s_w + q d_w - pad_left] )
//
// with m = filters / channels (the multiplier) and x = 0 outside the image.
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_depthwise.h"
#include "ops/activation.hpp"
#include "ops/depthwise/leaf.hpp"
#include "ops/op.hpp"
#include "ops/window.hpp"

namespace fk::depthwise {

using Shape = fk_depthwise_shape;
using KernelRow = Row<Shape, DepthwiseKernel>;

struct Params {
    std::array<std::int64_t, 4> x{}; // n, c, ih, iw
    std::array<std::int64_t, 4> w{}; // oc, 1, kh, kw; oc a multiple of c
    std::int64_t bias = -1;          // length, -1: none
    WindowParams window;             // its size is taken from w
    Activation activation;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

class Plan {
  public:
    // Packs w [oc, 1, kh, kw] (dense) and bias [oc] (may be null). block other than 0 asks for kernels on that channel block.
    Plan(const Shape& shape, const float* w, const float* bias, int threads, int block = 0);

    int block() const { return row_->block; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    // x, y (and residual, like y; may be null) hold `images` <= shape.n images in blocked channels. Allocates nothing.
    void run(const float* x, float* y, const float* residual, int images, Scratch& scratch) const;

    // Output rows [begin, end) of one image, without residual: those of a block of channels stand together, blocks are
    // y_block floats apart.
    void run_rows(const float* x, int begin, int end, float* y, std::int64_t y_block) const;

  private:
    void run_plane(const float* x, std::int64_t channel, float* y, const float* residual, int begin, int end) const;

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    int bands_;
    Tensor<float> weights_;
    Tensor<float> bias_;
};

} // namespace fk::depthwise
