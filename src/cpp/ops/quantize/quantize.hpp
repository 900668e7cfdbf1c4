// Between float32 values and the bytes that stand for them (ops/requantize.hpp).
//
//   quantize     q = clip( round( x / s + z ), 0, 255 )    x times the rounded inverse of s, each operation rounded; NaN is 0
//   dequantize   x = (q - z) s
//
// Bytes are kept in blocked channels [n, ceil(c / 16), pixels, 16], floats in blocks of 1 (plain NCHW), 4, 8 or 16; or both
// are plain.
#pragma once

#include "fk_int8_shapes.h"
#include "ops/op.hpp"
#include "ops/quantize/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::quantize {

struct Shape {
    std::int64_t channels, pixels; // of an image
    int block;                     // of the floats; 0: both sides are plain
};

struct KernelRow {
    Isa isa;
    const char* name;
    QuantizeKernel to_bytes, to_floats;
    int serves; // block of the floats; 0: any
    static constexpr int block = byte_block;
    bool (*eligible)(const Shape&);
};

// Throws ValueError where a scale is not positive, normal and finite or a zero point not a byte.
void check_quantization(const Quantization& q);
Cost cost(const Shape& shape, bool to_bytes);

// The shape as devices take it, for n images: bytes in blocks, floats plain. Throws ValueError as Plan does.
fk_quantize_shape device_shape(const Shape& shape, const Quantization& q, int n, bool to_floats);
Cost device_cost(const fk_quantize_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_quantize_shape>& choose_device_kernel(const fk_quantize_shape& shape, std::string_view target);

class Plan {
  public:
    Plan(const Shape& shape, const Quantization& q, int threads);

    const KernelRow& kernel() const { return *row_; }
    void to_bytes(const float* x, std::uint8_t* y, int images) const;
    void to_floats(const std::uint8_t* x, float* y, int images) const;

  private:
    void run(float* floats, std::uint8_t* bytes, int images, QuantizeKernel function) const;

    Shape shape_;
    const KernelRow* row_;
    Quantization q_;
    int threads_;
};

} // namespace fk::quantize
