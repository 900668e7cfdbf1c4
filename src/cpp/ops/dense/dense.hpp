// Fully connected layer:  y[n, o] = act( b[o] + sum_i w[o, i] x[n, i] ).
//
// With bfloat16 weights a row of the network takes half the time where memory is the bound; each weight is within 2^-9 of itself.
//
// A few rows of x: every weight is used once or twice, so the kernels stream the weights at the speed of memory. More rows:
// a matrix product, by gemm's contract.
#pragma once

#include <optional>

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_dense.h"
#include "ops/activation.hpp"
#include "ops/dense/leaf.hpp"
#include "ops/gemm/gemm.hpp"
#include "ops/op.hpp"

namespace fk::dense {

using Shape = fk_dense_shape;
using KernelRow = Row<Shape, DenseKernel>;

struct Params {
    std::array<std::int64_t, 2> x{}; // n, in
    std::array<std::int64_t, 2> w{}; // out, in
    std::int64_t bias = -1;          // length, -1: none
    Activation activation;
    bool bfloat16 = false;
};

// The nearest finite bfloat16 (ties to even) as a float; NaN and infinity stay what they are.
float round_bfloat16(float x);

Shape infer(const Params& params);
Cost cost(const Shape& shape);
// The layer as a matrix product.
gemm::Shape product_of(const Shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

// What a plan is made for: weights that are used once are taken as they are given, not packed.
enum class PlanFor { many_calls, one_call };

class Plan {
  public:
    // Packs w [out, in] (dense) and bias [out] (may be null). A plan for one call may not outlive w.
    Plan(const Shape& shape, const float* w, const float* bias, int threads, PlanFor use = PlanFor::many_calls);

    // What serves: "gemm" where the planned batch is large, else "dense"; its row's name and set.
    struct Served {
        const char* name;
        Isa isa;
    };
    const char* op() const {
        if (shape_.bfloat16 != 0) {
            return product_ ? "gemm_bfloat16" : "dense_bfloat16";
        }
        return product_ ? "gemm" : "dense";
    }
    Served kernel() const {
        return product_ ? Served{product_->kernel().name, product_->kernel().isa} : Served{row_->name, row_->isa};
    }
    ScratchBooking scratch() const { return product_ ? product_->scratch() : ScratchBooking{}; }

    // x [images, in] and y [images, out], dense, images <= shape.n. Allocates nothing.
    void run(const float* x, float* y, int images, Scratch& scratch) const;

  private:
    void pack(const float* w, const float* bias);

    Shape shape_;
    int threads_;
    std::optional<gemm::Plan> product_;
    const KernelRow* row_ = nullptr;
    const float* given_ = nullptr; // weights of a plan for one call that are not packed
    Tensor<float> weights_;
    Tensor<std::uint16_t> weights16_;
    Tensor<float> bias_;
};

} // namespace fk::dense
