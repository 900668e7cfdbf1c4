// Corners that can be tracked. With g = (I_x, I_y) by Sobel's filter / 8 and B the block x block pixels around a pixel,
//
//   lambda(x) = the smaller eigenvalue of  (1 / block^2) sum_B g g^T,
//
// mirrored at the border. A corner is a pixel, not on the border, with lambda > quality max lambda and no larger lambda
// among its eight neighbours. Corners are taken in falling order of lambda (of equal ones the later in the picture
// first), each unless one within min_distance stands already, until there are `count`.
//
// J. Shi, C. Tomasi, "Good features to track", CVPR 1994; choice and order as in OpenCV's goodFeaturesToTrack.
// 1280 x 720, block 3: 40 flops a pixel are 37 Mflop, 0.4 ms at 90 GFLOP/s; 0.9 MB in, 3.7 MB of lambda out and read once more.
#pragma once

#include "base/scratch.hpp"
#include "base/view.hpp"
#include "fk_corners.h"
#include "ops/corners/leaf.hpp"
#include "ops/op.hpp"

namespace fk::corners {

struct Params {
    std::array<std::int64_t, 2> x{}; // height, width
    std::int64_t pixel_stride = 1;
    bool is_float = false;
    std::int64_t count = 0;
    double quality = 0.01;
    double min_distance = 10;
    std::int64_t block = 3;
};

struct Shape {
    int height, width;
    bool is_float;
    std::int64_t count;
    double quality, min_distance;
    int block;
};

using KernelRow = Row<Shape, CornersKernel>;

struct Corner {
    int x, y;
    float eigenvalue;
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);

// Of a Shape what a device sees: it computes the eigenvalues.
fk_corners_shape picture(const Shape& shape);
Cost picture_cost(const fk_corners_shape& picture);
const DeviceRow<fk_corners_shape>& choose_device_kernel(const fk_corners_shape& picture, std::string_view target);
// Corners from the eigenvalues [height, width].
std::vector<Corner> choose(const Shape& shape, const float* eigenvalues);

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    // pixels: the first row's first pixel; row: elements from a row to the next.
    std::vector<Corner> run(const void* pixels, std::int64_t row) const;

  private:
    void eigenvalues(const void* pixels, std::int64_t row, float* to) const;

    Shape shape_;
    const KernelRow* row_;
    int threads_;
};

} // namespace fk::corners
