// A cascade of ensembles of regression trees that moves a shape of P landmarks onto a face.
//
//   shape[0] = the start (mean shape, unless the caller has a better one), in units of the frame: the face's box is
//   [0, 1] x [0, 1], and a point (u, v) stands at the pixel (left + u width, top + v height).
//   Level l = 1 ... L:
//     R   = argmin sum_p |R m_p - s_p|^2 over matrices ((a, -b), (b, a)), m and s = mean and current shape, centred:
//           a = sum(m_x s_x + m_y s_y) / sum |m|^2,   b = sum(m_x s_y - m_y s_x) / sum |m|^2
//     I_f = the picture's pixel nearest to  shape[anchor_f] + R offset_f;   0 outside the picture
//     each tree: from the root, to the left child where I_a - I_b > threshold, to the right one otherwise
//     float leaves:  shape += sum over trees of leaf                           (as dlib's shape_predictor)
//     coded leaves:  shape += R basis_l (sum over trees of int8 code)          (residuals in the mean shape's frame)
//
// R and coordinates of pixels are computed in float64, offsets turned and shapes summed in float32, codes summed as
// integers: every kernel row gives the same bits, for every number of threads.
//
// Source: Kazemi and Sullivan, "One millisecond face alignment with an ensemble of regression trees", CVPR 2014.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/scratch.hpp"
#include "base/view.hpp"
#include "ops/op.hpp"
#include "ops/trees/leaf.hpp"

namespace fk::trees {

inline constexpr std::int32_t most_points = 1024, most_depth = 12, most_pool = 1 << 16, most_width = 2048;

struct Ensemble {
    std::int32_t points = 0, levels = 0, trees = 0, depth = 0, pool = 0; // trees and pixels of one level
    std::int32_t rank = 0;                                               // columns of a basis; 0: float leaves
    std::vector<float> mean;                                             // [2 points]: x, y, x, y ...
    std::vector<std::int32_t> anchors;                                   // [levels, pool]
    std::vector<float> offsets;                                          // [levels, pool, 2]
    std::vector<std::int32_t> pairs;                                     // [levels, trees, splits]: a | b << 16
    std::vector<float> thresholds;                                       // [levels, trees, splits]
    std::vector<float> leaves;                                           // [levels, trees, splits + 1, 2 points]
    std::vector<std::int8_t> codes;                                      // [levels, trees, splits + 1, rank], padding
    std::vector<float> basis;                                            // [levels, rank, 2 points]

    [[nodiscard]] std::int64_t splits() const { return (std::int64_t(1) << depth) - 1; }
    // Judges every count and index that a kernel follows; throws ModelError naming the first fault.
    void validate() const;
};

// Reads the bytes of a file that dlib::serialize wrote of a shape_predictor. Throws ModelError naming what is wrong and
// at which byte; no count is believed before the bytes for it are there.
Ensemble read_dlib(std::span<const std::uint8_t> bytes);

// Where the box of a face lies in its picture, pixels; centres of pixels are at whole numbers.
struct Frame {
    double left, top, width, height;
};

struct Params {
    std::int64_t pictures = 0; // 0: one picture for all faces
    std::int64_t height = 0, width = 0;
    const Frame* frames = nullptr;
    std::int64_t faces = 0;
};

struct Shape {
    std::int64_t faces;
    int height, width;
    bool shared; // one picture for all faces
};

using KernelRow = Row<Shape, TreesKernel>;

Shape infer(const Params& params);
Cost cost(const Ensemble& ensemble, const Shape& shape);

// One picture: uint8, any strides.
struct Picture {
    const std::uint8_t* pixels;
    std::int64_t row, column; // strides, bytes
    int height, width;
};

struct Turn { // the matrix ((a, -b), (b, a))
    float a, b;
};

// The similarity, less its translation, from the mean shape to a shape of as many points.
Turn turn_between(const float* mean, const float* shape, std::int32_t points);

// values[f] = the pixel at anchor f plus the turned offset f.
template <class T> void look(const Picture& picture, const Frame& frame, const float* shape, Turn turn,
                             const std::int32_t* anchors, const float* offsets, std::int32_t pool, T* values);

class Plan {
  public:
    Plan(const Ensemble& ensemble, const Shape& shape, int threads);
    ScratchBooking scratch() const { return booking_; }
    // pictures [H, W], or [faces, H, W]; frames [faces]; starts [faces, 2 points] or null: the mean shape;
    // points [faces, points, 2]: x, y in pixels.
    void run(const View<const std::uint8_t>& pictures, const Frame* frames, const float* starts, float* points,
             Scratch& scratch) const;

  private:
    struct Room; // one thread's scratch
    void run_face(const Picture& picture, const Frame& frame, float* shape, const Room& room) const;

    const Ensemble* ensemble_;
    Shape shape_;
    const KernelRow* row_;
    int threads_;
    ScratchBooking booking_;
};

} // namespace fk::trees
