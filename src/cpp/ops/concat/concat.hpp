// Concatenation along the channels:  y[n, o_t + c, i, j] = x_t[n, c, i, j],  o_t = c_0 + ... + c_{t-1}.
#pragma once

#include "base/scratch.hpp"
#include "fk_concat.h"
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

// The shape as devices take it, with a limit on the number of inputs: ValueError above it.
fk_concat_shape device_shape(const Shape& shape);
Cost device_cost(const fk_concat_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_concat_shape>& choose_device_kernel(const fk_concat_shape& shape, std::string_view target);

class Plan {
  public:
    Plan(const Shape& shape, int threads, int block = 0);

    int block() const { return row_->block; }
    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return {}; }

    // Input i is xs[which[i]] (`which` null: xs[i]), `images` <= shape.n images, blocked channels like y. Allocates nothing.
    void run(const float* const* xs, float* y, int images, Scratch& scratch, const int* which = nullptr) const;

  private:
    // Lanes of block `x_block` of an input that become lanes of block `y_block`. Unblocked channels follow each other on both
    // sides: `blocks` of them at once.
    struct Piece {
        int input, x_block, x_lane, y_block, y_lane, lanes, blocks;
    };

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    std::vector<Piece> pieces_;
};

} // namespace fk::concat
