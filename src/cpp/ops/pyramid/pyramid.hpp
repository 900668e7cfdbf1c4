// Gaussian pyramid of a grey picture. Level l + 1 from level l:
//
//   y(u, v) = sum_{i,j = -2..2} k_i k_j x(2 u + i, 2 v + j),   k = (1 4 6 4 1) / 16,   beyond the border x is reflected about
//   the outermost pixel's centre;  width' = (width + 1) / 2, height' = (height + 1) / 2.
//
// uint8 levels are floor(y + 1/2), exact; float32 levels in the order that reference.cpp states: the same bits on every
// instruction set. P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Comm. 31(4), 1983.
//
// Level 0 is the frame itself, where it stands. Of the others only a rectangle is built, and a larger one when it is asked for.
// For 1280 x 720 bytes all levels read 0.92 + 0.23 + ... = 1.21 MB and write 0.30 MB: about 60 us at one core's 25 GB/s.
#pragma once

#include <shared_mutex>
#include <vector>

#include "base/scratch.hpp"
#include "base/view.hpp"
#include "fk_pyramid.h"
#include "ops/op.hpp"
#include "ops/pyramid/leaf.hpp"

namespace fk::pyramid {

inline constexpr int most_levels = 16;

struct Params {
    const char* name = "frame"; // for messages
    std::array<std::int64_t, 2> x{};
    std::int64_t pixel_stride = 1; // elements
    bool is_float = false;
};

using Shape = fk_pyramid_shape;

using KernelRow = Row<Shape, HalveKernel>;

Shape infer(const Params& params);
Cost cost(const Shape& shape, int levels);
Shape halved(const Shape& shape); // of the next level
// Of level l; throws where there is none.
Shape level_shape(const Shape& frame, int l);
// The row that serves a shape on a device ("opencl").
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// Columns [x0, x1) of rows [y0, y1).
struct Rect {
    int x0 = 0, y0 = 0, x1 = 0, y1 = 0;

    [[nodiscard]] bool empty() const { return x0 >= x1 || y0 >= y1; }
    [[nodiscard]] bool holds(const Rect& r) const { return r.empty() || (x0 <= r.x0 && y0 <= r.y0 && x1 >= r.x1 && y1 >= r.y1); }
};
Rect join(const Rect& a, const Rect& b);

// What stands of a level.
struct Level {
    const void* pixels = nullptr; // of (built.x0, built.y0)
    std::int64_t row = 0;         // elements from a row to the next
    Shape shape{};
    Rect built;
    int readable = 0; // columns up to this may be read, whatever they hold
};

// A frame and the levels over it. It does not own the frame. Readers hold `mutex()` shared while they use what level() says.
class Pyramid {
  public:
    Pyramid(const void* frame, std::int64_t row, const Shape& shape);
    [[nodiscard]] const Level& level(int l) const { return levels_[static_cast<std::size_t>(l)]; }
    [[nodiscard]] const Shape& shape() const { return levels_[0].shape; }
    [[nodiscard]] std::shared_mutex& mutex() const { return mutex_; }

  private:
    friend class Plan;
    std::vector<Level> levels_; // all of them, built or not
    std::vector<Tensor<unsigned char>> storage_;
    mutable std::shared_mutex mutex_;
};

class Plan {
  public:
    Plan(const Shape& shape, int threads);
    // Afterwards wanted[l] stands on every level l (level 0 always does). Waits for readers where something is missing.
    void build(Pyramid& pyramid, std::vector<Rect> wanted) const;

  private:
    void build_level(const Level& from, Level& to, const Rect& rect, Tensor<unsigned char>& storage) const;

    const KernelRow* row_;
    int threads_;
};

} // namespace fk::pyramid
