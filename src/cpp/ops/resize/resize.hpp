// A picture of another size, x [ih, iw, c] -> y [oh, ow, c], uint8 or float32.
//
// area:      the average of the source over the output pixel's own area, parts of source pixels counted by their part:
//              y[i, j] = 1 / (S_h S_w) sum_{p, q} |[p, p + 1) n [i S_h, (i + 1) S_h)| |[q, q + 1) n [j S_w, (j + 1) S_w)| x[p, q]
//            with S_h = ih / oh, S_w = iw / ow. The same formula serves enlarging: pixels become rectangles, and an
//            output pixel that lies across an edge is a mixture.
// bilinear:  at the output pixel's centre, (i + 1/2) S_h - 1/2 and the like, between the four source pixels around it;
//            beyond the outermost centres the edge is repeated.
//
// float32 throughout, in the order that reference.cpp states; uint8 results are floor(v + 1/2).
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "base/view.hpp"
#include "ops/op.hpp"
#include "ops/resize/leaf.hpp"

namespace fk::resize {

enum class Method { area = FK_RESIZE_AREA, bilinear = FK_RESIZE_BILINEAR };
// Throws ValueError that lists the known names.
Method method_from_name(const std::string& name);

struct Params {
    std::array<std::int64_t, 3> x{}; // height, width, channels
    std::int64_t height = 0, width = 0;
    Method method = Method::area;
    bool is_float = false;
};

using Shape = fk_resize_shape;

using KernelRow = Row<Shape, ResizeKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row of a device's list that serves a shape; throws ValueError where none does.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// Taps of every output along one axis (see leaf.hpp), `channels` equal entries for each.
struct Taps {
    Tensor<std::int32_t> first, count;
    Tensor<float> head, tail;
    int most = 1;
    double scale = 1; // source pixels in an output, 1 for bilinear

    Taps() = default;
    Taps(Method method, std::int64_t in, std::int64_t out, int channels);
};

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    ScratchBooking scratch() const { return booking_; }
    // T is uint8 or float32, as the shape says; x [ih, iw, c] of any strides, y dense.
    template <class T> void run(const View<const T>& x, T* y, Scratch& scratch) const;

  private:
    void divide_work();

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    Taps rows_, columns_;
    int strip_ = 1;         // output columns of a piece
    int rows_per_task_ = 1; // output rows of a task
    ScratchBooking booking_;
};

} // namespace fk::resize
