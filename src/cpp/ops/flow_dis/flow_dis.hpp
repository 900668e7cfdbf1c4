// Dense optical flow by inverse search, coarse to fine.
//
//   T. Kroeger, R. Timofte, D. Dai, L. Van Gool, "Fast optical flow using dense inverse search", ECCV 2016.
//
// On each level, patches of 8 x 8 pixels stand every `stride` pixels of frame 0. Each starts where the level above says and
// minimises its squared differences, less their mean, by Gauss-Newton steps on the displacement whose matrix is that of the
// patch itself (S. Baker, I. Matthews, "Lucas-Kanade 20 years on", IJCV 56(3), 2004: inverse composition):
//
//   d(x) = I1(x + u) - I0(x),   u <- u - H^-1 sum g (d - mean d),   H = sum g g^T,  g = grad I0 - mean grad I0,
//
// until they fall no more, or `iterations` steps. A patch that ends more than 8 pixels from its start goes back there. The motion
// of a pixel is the mean of those of the patches on it, weighted by 1 / max(1, |d(x)|) (the paper's equation 3). Then
// `refinements` steps of ops/flow_refine. The finest level that is searched is 2^-finest of the frame; above it the motion is
// interpolated.
//
// Other than the paper: levels by the binomial filter (1 4 6 4 1) / 16 in place of means of 2 x 2, kept in float32 (both lower
// the error), and no search among the neighbours' motions.
//
// Work on a level, for each pixel: (iterations + 2) (8 / stride)^2 evaluations of some 12 operations, then the refinement's.
#pragma once

#include "base/scratch.hpp"
#include "fk_flow_dis.h"
#include "ops/flow_dis/leaf.hpp"
#include "ops/flow_refine/flow_refine.hpp"

namespace fk::flow_dis {

struct Params {
    std::array<std::int64_t, 2> from{}, to{};
    std::int64_t from_pixel = 1, to_pixel = 1; // strides of a row's pixels, elements
    bool from_float = false, to_float = false;
    std::int64_t finest = 1, stride = 4, iterations = 3, refinements = 2;
    double white = 255; // of float32 frames: what counts as the largest grey level
    flow_refine::Params refine;
};

using Shape = fk_flow_dis_shape;

using KernelRow = Row<Shape, DisTable>;

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The row that serves a shape on a device ("opencl").
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

struct Frame {
    const void* pixels;
    std::int64_t row; // elements
};

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    // flow [height, width, 2]
    void run(const Frame& from, const Frame& to, float* flow) const;
    // The refinements of the full resolution alone, from a flow that is known; for a shape with coarsest = 0.
    void improve(const Frame& from, const Frame& to, const float* known, float* flow) const;

  private:
    struct Level;
    struct Work;
    void book(Work& work) const;
    void build(const Frame& from, const Frame& to, Work& work) const;
    void search(const Level& level, const Level* above, Work& work) const;
    void refine(int level, Work& work) const;
    void finish(const Work& work, float* flow) const;
    [[nodiscard]] Level level(int l) const;

    Shape shape_;
    const KernelRow* row_;
    std::vector<flow_refine::Plan> refine_; // of each level from the finest
    int threads_;
};

} // namespace fk::flow_dis
