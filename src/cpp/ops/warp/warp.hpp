// Affine pictures of a picture. Output pixel (u, v) = (column, row) of picture k looks at the source point
//
//   (x, y) = M_k (u, v, 1)^T,   pixel centres at integers,
//
// and takes what lies between the four pixels around it, bilinearly. Beyond the border stand `fill` or the nearest pixel.
// With antialias an output is the mean of s_u x s_v such samples, spread evenly over its own square, s_u = the length
// of M's first column rounded up, s_v of its second, from 1 to 32 each: one sample for each source pixel that it covers.
// float32 in the order that reference.cpp states; uint8 results are floor(v + 1/2).
#pragma once

#include "base/scratch.hpp"
#include "base/view.hpp"
#include "ops/op.hpp"
#include "ops/warp/leaf.hpp"

namespace fk::warp {

enum class Border { constant, replicate };
// Throws ValueError that lists the known names.
Border border_from_name(const std::string& name);

struct Params {
    std::array<std::int64_t, 3> x{};  // height, width, channels
    const double* matrices = nullptr; // count * 6, row by row
    std::int64_t count = 0;
    std::int64_t height = 0, width = 0;
    Border border = Border::constant;
    double fill = 0;
    bool antialias = false;
    bool is_float = false;
};

struct Shape {
    int ih, iw, channels;
    std::int64_t count;
    int oh, ow;
    Border border;
    float fill;
    bool antialias;
    bool is_float;
};

using KernelRow = Row<Shape, WarpKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape); // of one sample an output

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    ScratchBooking scratch() const { return booking_; }
    // T is uint8 or float32, as the shape says; x [ih, iw, c] of any strides, matrices count * 6, y dense [count, oh, ow, c].
    template <class T> void run(const View<const T>& x, const double* matrices, T* y, Scratch& scratch) const;

  private:
    template <class T> void run_row(const View<const T>& x, const double* matrix, int row, T* y, WarpOrigin* origins) const;

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    int rows_per_task_;
    ScratchBooking booking_;
};

} // namespace fk::warp
