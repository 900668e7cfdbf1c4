// Concatenation along the channels:  y[n, o_t + c, i, j] = x_t[n, c, i, j],  o_t = c_0 + ... + c_{t-1}.
#pragma once

#include "base/scratch.hpp"
#include "ops/concat/leaf.hpp"
#include "ops/op.hpp"

namespace fk::concat {

struct Shape {
    int n, ih, iw;
    std::vector<int> channels; // of each input
    int c;                     // of the output
};
using KernelRow = Row<Shape, ConcatKernel>;

struct Params {
    std::vector<std::array<std::int64_t, 4>> x; // n, c, ih, iw of each input
};

Shape infer(const Params& params);
Cost cost(const Shape& shape);

class Plan {
  public:
    Plan(const Shape& shape, int threads, int block = 0);

    int block() const { return row_->block; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    // Input i is xs[which[i]] (`which` null: xs[i]), `images` <= shape.n images, blocked channels like y. Allocates nothing.
    void run(const float* const* xs, float* y, int images, Scratch& scratch, const int* which = nullptr) const;

  private:
    // Lanes of block `x_block` of an input that become lanes of block `y_block`.
    struct Piece {
        int input, x_block, x_lane, y_block, y_lane, lanes;
    };

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    std::vector<Piece> pieces_;
};

} // namespace fk::concat
