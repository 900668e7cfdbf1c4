// Affine pictures of a picture. Output pixel (u, v) = (column, row) of picture k looks at the source point
//
//   (x, y) = M_k (u, v, 1)^T,   pixel centres at integers,
//
// and takes what lies between the four pixels around it, bilinearly. Beyond the border stand `fill` or the nearest pixel.
// With antialias an output is the mean of s_u x s_v such samples, spread evenly over its own square, s_u = the length
// of M's first column rounded up, s_v of its second, from 1 to 32 each: one sample for each source pixel that it covers.
// float32 in the order that reference.cpp states; uint8 results are floor(v + 1/2).
#pragma once

#include <string>
#include <vector>

#include "base/scratch.hpp"
#include "base/view.hpp"
#include "ops/op.hpp"
#include "ops/warp/leaf.hpp"

namespace fk::warp {

enum class Border { constant = FK_WARP_CONSTANT, replicate = FK_WARP_REPLICATE };
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

using Shape = fk_warp_shape;

using KernelRow = Row<Shape, WarpKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape); // of one sample an output
// The row of a device's list that serves a shape; throws ValueError where none does.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// For a device: what is to be known of each picture, and the number of origins of all.
std::vector<fk_warp_view> views(const Shape& shape, const double* matrices, std::int64_t& origins);
// The origins of all pictures, where the views say, for a device that cannot calculate them itself.
void origins(const Shape& shape, const double* matrices, const std::vector<fk_warp_view>& views, WarpOrigin* to);

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
