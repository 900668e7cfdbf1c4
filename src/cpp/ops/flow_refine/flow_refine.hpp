// Variational refinement of a dense flow: one linearisation and some sweeps towards the minimum of
//
//   E(u, v) = sum over pixels of  delta psi(E_I) + gamma psi(E_G) + alpha psi(|grad u|^2 + |grad v|^2),   psi(s) = sqrt(s +
//   epsilon^2), E_I = (I1(x + u) - I0(x))^2 / (|grad I|^2 + zeta^2)                                      brightness constancy,
//   normalised E_G = (d/dx)^2 / (Ixx^2 + Ixy^2 + zeta^2) + (d/dy)^2 / (Ixy^2 + Iyy^2 + zeta^2)          gradient constancy, d =
//   I1(x + u) - I0
//
// after T. Brox, A. Bruhn, N. Papenberg, J. Weickert, "High accuracy optical flow estimation based on a theory for warping",
// ECCV 2004, in the form of T. Kroeger, R. Timofte, D. Dai, L. Van Gool, "Fast optical flow using dense inverse search", ECCV
// 2016, section 2.4. A step warps I1 by the flow at hand, (u0, v0); with I = (I0 + W) / 2, W = I1(x + u0), the derivatives of I
// and of W - I0 by central differences, and psi' = 1 / (2 psi) at (u0, v0), the equations of E are linear: at each pixel
//
//   (A + w) (u, v) - sum over four neighbours n of w_n (u_n, v_n) = b,   w_n = alpha (psi'(here) + psi'(n)),   w = sum w_n,
//
// (A with 0.001 on its diagonal and b with as much of (u0, v0), so that no matrix is singular)
// and are solved by red-black successive over-relaxation, both unknowns of a pixel at once. Each step warps anew, where the paper
// warps once and changes psi' alone: the same work but for the warp, and 2 to 5 % less error on Middlebury's pairs.
//
// Work: about 150 operations a pixel for the system and 21 for each sweep. Sweeps follow one another through a window of rows
// that stays in the cache; memory sees mean, difference, u and v read and u and v written once a step: 40 bytes a pixel with the
// warp, where one plane after the other would be 36 for each half of a sweep.
#pragma once

#include "base/scratch.hpp"
#include "fk_flow_refine.h"
#include "ops/flow_refine/leaf.hpp"
#include "ops/op.hpp"

namespace fk::flow_refine {

inline constexpr int most_sweeps = 100;

struct Params {
    std::array<std::int64_t, 2> x{}; // height, width
    std::int64_t sweeps = 4;
    double alpha = 20, delta = 5, gamma = 10; // weights of smoothness, brightness and gradient
    double omega = 1.6;                       // of the over-relaxation
};

using Shape = fk_flow_refine_shape;

using KernelRow = Row<Shape, RefineTable>;

Shape infer(const Params& params);
Cost cost(const Shape& shape); // of a step
// The row that serves a shape on a device ("opencl").
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

struct Field {
    float *u, *v; // pixel (0, 0)
};

// Planes as leaf.hpp has them, pixel (0, 0) of each. Behind the end of each row of `flow` stands a copy of its last pixel, and so
// it does in `result` afterwards. Of the frames, the pixels right of the last column and below the last row are readable.
struct Step {
    const float *from, *to;
    std::int64_t frame_row;
    Field flow, result;
    float *mean, *difference; // written
    std::int64_t row;         // of the flows, mean and difference
};

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    [[nodiscard]] const ScratchBooking& booking() const { return booking_; }
    void run(const Step& step, Scratch& scratch) const;

  private:
    void sweep_band(const Step& step, int begin, int end, float* memory) const;

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    std::int64_t half_; // floats of a row of one parity
    std::int64_t line_; // and of a whole row
    ScratchBooking booking_;
};

} // namespace fk::flow_refine
