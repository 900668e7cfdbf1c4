// Two-dimensional convolution (cross-correlation, as in every deep-learning library).
//
//   y[n, o, i, j] = act( b[o] + r[n, o, i, j] + sum_{c, p, q} w[o, c, p, q] x[n, g ic/G + c, i s_h + p d_h - pad_top, j s_w + q
//   d_w - pad_left] )
//
// with g = floor(o / (oc / G)) and x = 0 outside the image.
#pragma once

#include <optional>

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "base/view.hpp"
#include "fk_shapes.h"
#include "ops/activation.hpp"
#include "ops/conv2d/leaf.hpp"
#include "ops/conv2d/winograd.hpp"
#include "ops/op.hpp"
#include "ops/pool/pool.hpp"
#include "ops/window.hpp"

namespace fk::conv2d {

using KernelRow = Row<Shape, Conv2dKernel>;

struct Params {
    std::array<std::int64_t, 4> x{}; // n, ic, ih, iw
    std::array<std::int64_t, 4> w{}; // oc, ic / groups, kh, kw
    std::int64_t bias = -1;          // length, -1: none
    WindowParams window;             // its size is taken from w
    std::int64_t groups = 1;
    Activation activation;
};

// The only judge of shapes. Throws ValueError with the numbers.
Shape infer(const Params& params);
Cost cost(const Shape& shape);
// Names of the rows that can serve a shape on the best instruction set that does, the reference apart.
std::vector<std::string> kernel_names(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// What a plan is made for: the choice of the kernel weighs the packing of the weights when they are used once.
enum class PlanFor { many_calls, one_call };

class Plan {
  public:
    // Chooses the kernel, packs w [oc, ic / groups, kh, kw] (dense) and bias [oc] (may be null), books the scratch.
    // planar_x: x can be had as plain NCHW; planar() tells whether the kernel takes it so.
    Plan(const Shape& shape, const float* w, const float* bias, bool planar_x, int threads, PlanFor use = PlanFor::many_calls);

    int block() const { return row_->block; }
    bool planar() const { return planar_x_; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return booking_; }
    // Operations for one image where the kernel does not do those of cost(), else 0.
    double work_of_image() const { return winograd_ ? winograd_->work_of_image() : 0; }
    // y is a part of a tensor of that many channels: its images lie so far apart. (A residual does not.)
    void place_in(std::int64_t channels) { y_channels_ = channels; }
    // y takes the maxima that the pool p (of this convolution's outputs) gives; there is then no residual. False where the
    // kernel does not do it.
    bool pool(const pool::Shape& p);

    // x, y (and residual, like y; may be null) hold `images` <= shape.n images in the plan's layout. Allocates nothing.
    void run(const float* x, float* y, const float* residual, int images, Scratch& scratch) const;

    // A 1 x 1 convolution with stride 1 on `pixels` neighbouring pixels; blocks of channels are x_block and y_block floats
    // apart (also those of the residual, which may be null).
    bool pixelwise() const { return flat_ && shape_.groups == 1 && !planar_x_; }
    void run_pixels(const float* x, std::int64_t x_block, float* y, const float* residual, std::int64_t y_block,
                    std::int64_t pixels) const;

  private:
    // Pixels of a flat band: a multiple of every tile width in use (2, 3, 4, 6, 7, 12, 14).
    static constexpr std::int64_t most_flat_pixels = 84;

    int filters_of_last() const; // filters of a group in its last block
    int y_height() const { return pool_ ? pool_->oh : shape_.oh; }
    int y_width() const { return pool_ ? pool_->ow : shape_.ow; }
    void pack(const float* w, const float* bias);
    void divide_work();
    void run_band(const float* x, float* y, const float* residual, int begin, int end, float* scratch) const;
    void run_pooled(const float* x, float* y, int begin, int end, float* scratch) const;
    Conv2dLeaf rows_of_group(const float* x, int group, int first, int rows, float* scratch) const;
    void run_flat(const float* x, float* y, const float* residual, int begin, int end) const;
    void run_group(int group, const float* x, std::int64_t x_block, float* y, const float* residual, std::int64_t y_block,
                   std::int64_t pixels) const;
    void copy_padded(const float* x, int group, int first_row, int rows, float* padded) const;

    Shape shape_;
    const KernelRow* row_;
    bool planar_x_;
    int threads_;
    bool flat_ = false;   // 1 x 1, stride 1: the image is one long row
    bool padded_ = false; // rows are copied into scratch with their zeros
    std::int64_t y_channels_ = 0;
    std::optional<pool::Shape> pool_;
    std::int64_t padded_floats_ = 0; // scratch of padded rows; the ring of sums that are pooled stands behind them
    std::int64_t ring_floats_ = 0;   // of a group
    int rows_at_once_ = 1;           // of sums, whose padded rows fit
    std::int64_t flat_pixels_ = 0;   // of a unit of a flat image
    int bands_ = 1;                  // pieces that an image's rows (or pixels) are cut into
    Tensor<float> weights_;
    Tensor<float> bias_;
    std::optional<Winograd> winograd_;
    ScratchBooking booking_;
};

} // namespace fk::conv2d
