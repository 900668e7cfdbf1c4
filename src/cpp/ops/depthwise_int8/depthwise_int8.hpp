// Depthwise convolution of bytes with 8-bit weights, one filter a channel; sums exact, result requantised.
//
//   S[n, c, i, j] = sum_{p, q} w[c, 0, p, q] (x[n, c, i s_h + p d_h - pad_top, j s_w + q d_w - pad_left] - z)
//   y = clip( round( S multiplier[c] + offset[c] ), low, high )
//
// with x = z, the zero point, outside the image, and the rounding of ops/requantize_leaf.hpp. Values are kept in blocked
// channels [n, ceil(c / 16), h, w, 16] on every instruction set.
#pragma once

#include "base/scratch.hpp"
#include "fk_int8_shapes.h"
#include "ops/depthwise/depthwise.hpp"
#include "ops/depthwise_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::depthwise_int8 {

using Shape = depthwise::Shape;

struct KernelRow {
    Isa isa;
    const char* name;
    DepthwiseInt8Kernel function;
    bool (*eligible)(const Shape&);
    bool quads; // layout of the weights, see leaf.hpp
    static constexpr int block = byte_block;
};

// Shapes as of depthwise; also refuses a multiplier other than 1.
Shape infer(const depthwise::Params& params);
Cost cost(const Shape& shape);

// The shape as devices take it, which holds all numbers but those of each channel. Throws ValueError as Plan does.
fk_conv2d_int8_shape device_shape(const Shape& shape, int zero_point, const Requantization& r);
Cost device_cost(const fk_conv2d_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_conv2d_int8_shape>& choose_device_kernel(const fk_conv2d_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // Packs w [c, 1, kh, kw] (dense).
    Plan(const Shape& shape, const std::int8_t* w, int zero_point, const Requantization& r, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return booking_; }

    // x and y hold `images` <= shape.n images. Allocates nothing.
    void run(const std::uint8_t* x, std::uint8_t* y, int images, Scratch& scratch) const;

  private:
    void pack(const std::int8_t* w);
    void pack_pairs(const std::int8_t* w);
    void pack_quads(const std::int8_t* w);
    void copy_padded(const std::uint8_t* plane, int first_row, int rows, std::uint8_t* padded) const;

    Shape shape_;
    const KernelRow* row_;
    int zero_point_;
    int threads_, bands_;
    bool padded_;
    std::int64_t width_;         // pixels in a row of x, as the kernels see it
    int pairs_, runs_, outputs_; // see leaf.hpp
    std::int64_t plane_bytes_;   // of weights
    Tensor<std::int8_t> weights_;
    Tensor<std::int32_t> offsets_, start_;
    PackedRequantization requantize_;
    ScratchBooking booking_;
};

} // namespace fk::depthwise_int8
