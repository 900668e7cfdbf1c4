// Fully connected layer on bytes with 8-bit weights; sums exact in int32.
//
//   S[n, o] = sum_i w[o, i] (x[n, i] - z);   v = clip( S multiplier[o] + offset[o], low, high );   y = v, or v rounded
//
// x is an image in blocked channels [n, ceil(c / 16), pixels, 16], flattened in the order of its channels: w's columns are
// (channel, pixel). Features are an image of one pixel.
#pragma once

#include "base/scratch.hpp"
#include "fk_int8_shapes.h"
#include "ops/dense/dense.hpp"
#include "ops/dense_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::dense_int8 {

struct Shape {
    int n, channels, pixels, out;
};

struct KernelRow {
    Isa isa;
    const char* name;
    DenseInt8Kernel function;
    bool (*eligible)(const Shape&);
    bool pairs; // order of the weights, see leaf.hpp
    static constexpr int block = byte_block;
};

struct Params {
    std::array<std::int64_t, 3> x{}; // n, channels, pixels
    std::array<std::int64_t, 2> w{}; // out, channels * pixels
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);

enum class Result { bytes, floats }; // [n, ceil(out / 16), 16] or [n, out]

// The shape as devices take it, which holds all numbers but those of each output. Throws ValueError as Plan does.
fk_dense_int8_shape device_shape(const Shape& shape, int zero_point, const Requantization& r, Result result);
Cost device_cost(const fk_dense_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_dense_int8_shape>& choose_device_kernel(const fk_dense_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // Packs w [out, channels * pixels] (dense). For floats, low and high may be any numbers, infinities too.
    Plan(const Shape& shape, const std::int8_t* w, int zero_point, const Requantization& r, Result result, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    void run(const std::uint8_t* x, std::uint8_t* y, int images) const;
    void run(const std::uint8_t* x, float* y, int images) const;

  private:
    void pack(const std::int8_t* w);
    void run(const std::uint8_t* x, std::uint8_t* bytes, float* floats, int images) const;
    std::int64_t row_bytes() const { return round_up(shape_.channels, byte_block) * shape_.pixels; }

    Shape shape_;
    const KernelRow* row_;
    int zero_point_, threads_;
    Tensor<std::int8_t> weights_;
    Tensor<std::int32_t> start_;
    PackedRequantization requantize_;
};

} // namespace fk::dense_int8
