// Pyramidal Lucas-Kanade: where points of one frame stand in another.
//
// On a level, with I and J the two pictures, u the point in I, W the window around it, g = (I_x, I_y) the gradient by
// Scharr's filter  I_x = (3 10 3)^T (-1 0 1) / 32  (0 beyond the border), and everything between pixels bilinear,
//
//   G = sum_W g g^T,   b_k = sum_W (J(x + v_k) - I(x)) g(x),   v_{k+1} = v_k - G^-1 b_k,
//
// until |G^-1 b| <= epsilon, or `iterations` are done, or a step takes back the one before (within 0.01 pixels in x and y: half
// of it is kept). Levels go from the coarsest to the frame itself, each starting at twice the last v. A level is used
// where it is larger than the window in both directions. A point is lost where its window leaves the picture wholly,
// or the smaller eigenvalue of G / (1024 window^2) is under min_eigenvalue (the unit of OpenCV: grey levels / 32), on
// level 0; on coarser levels the estimate is left as it is. Pictures continue beyond the border by reflection.
//
// J. Shi, C. Tomasi, "Good features to track", CVPR 1994; J.-Y. Bouguet, "Pyramidal implementation of the Lucas Kanade feature
// tracker", Intel, 2000 (steps and names); H. Scharr, "Optimal operators in digital image processing", 2000.
//
// 68 points, window 21, levels 0 to 3: 272 windows. G and the gradients cost about 40 flops a pixel of a window, 18 kflop. Each
// new integer part of v costs 8 multiply-adds a pixel, 7 kflop; an iteration that keeps it costs nothing (track.inl.hpp). With
// two integer parts a level 272 * 32 kflop = 9 Mflop, 0.1 ms at 90 GFLOP/s; the two pyramids read 2.4 MB in about as long.
#pragma once

#include "fk_flow_lk.h"
#include "ops/flow_lk/leaf.hpp"
#include "ops/pyramid/pyramid.hpp"

namespace fk::flow_lk {

struct Params {
    std::array<std::int64_t, 2> from{}, to{}; // height, width
    bool from_float = false, to_float = false;
    std::int64_t points = 0;
    std::int64_t window = 21;
    std::int64_t levels = 3; // halvings
    std::int64_t iterations = 30;
    double epsilon = 0.01;
    double min_eigenvalue = 1e-4;
};

using Shape = fk_flow_lk_shape;

using KernelRow = Row<Shape, FlowKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape); // two integer parts of the motion for each point and level; pyramids apart
// The row that serves a shape on a device ("opencl").
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

struct Tracks {
    float* points;            // [N, 2]
    bool* status;             // [N]
    float* residual;          // [N]; NaN for lost points
    std::int32_t* iterations; // [N], on all levels
};

class Plan {
  public:
    // `slack`: by how many pixels of each level a point is expected to move at most. It costs time, never a result.
    Plan(const Shape& shape, int slack, int threads);
    // Builds what is missing of the pyramids. points and guess [N, 2]; guess may be null.
    void run(pyramid::Pyramid& from, pyramid::Pyramid& to, const float* points, const float* guess, const Tracks& tracks) const;

  private:
    struct Job;
    std::vector<pyramid::Rect> wanted(const float* points) const;
    // Tracks the points whose numbers are given; the numbers of those that need more of the pyramids.
    std::vector<std::int64_t> pass(const Job& job, const std::vector<std::int64_t>& which, Scratch& scratch) const;
    bool point(const Job& job, std::int64_t i, float* scratch) const;

    Shape shape_;
    pyramid::Plan pyramid_;
    const KernelRow* row_;
    int slack_;
    int threads_;
};

} // namespace fk::flow_lk
