#include "ops/dense/dense.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/reorder/reorder.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const DenseLeaf&);                                                                                             \
    }
#include "ops/dense/kernels.inc"
#undef FK_KERNEL

namespace dense {

namespace {
// Up to here the weights are streamed once for all rows of x.
constexpr int most_streamed = 4;
bool few_rows(const Shape& s) { return s.n <= most_streamed; }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/dense/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("dense", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/dense/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("dense", device_rows);

std::uint16_t bfloat16_of(float x) { return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(round_bfloat16(x)) >> 16); }

bool wants_product(const Shape& s) {
    const std::string& named = current_choice().kernel;
    return !few_rows(s) && (named.empty() || named == "packed");
}
} // namespace

Shape infer(const Params& p) {
    const auto [n, in] = p.x;
    const auto [out, w_in] = p.w;
    require(n >= 1 && in >= 1, "x must not be empty, its shape is [", n, ", ", in, "]");
    require(out >= 1, "w must have at least one output, its shape is [", out, ", ", w_in, "]");
    require(w_in == in, "w [", out, ", ", w_in, "] takes ", w_in, " inputs, x [", n, ", ", in, "] has ", in);
    require(p.bias == -1 || p.bias == out, "b has ", p.bias, " values, expected one for each of the ", out, " outputs");
    return {.n = checked_int(n, "batch"),
            .in = checked_int(in, "inputs"),
            .out = checked_int(out, "outputs"),
            .activation = p.activation.kind,
            .alpha = p.activation.alpha,
            .bfloat16 = p.bfloat16 ? 1 : 0};
}

float round_bfloat16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if (!std::isfinite(x)) {
        return std::isnan(x) ? std::bit_cast<float>((bits | 0x400000U) & 0xffff0000U) : x;
    }
    const auto nearest = std::bit_cast<float>((bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U);
    return std::isfinite(nearest) ? nearest : std::bit_cast<float>(bits & 0xffff0000U);
}

Cost cost(const Shape& s) {
    const double weights = (s.bfloat16 != 0 ? 2 : 4) * double(s.out) * s.in + 4.0 * s.out;
    return {.flops = 2 * double(s.n) * s.in * s.out,
            .bytes_read = 4 * double(s.n) * s.in + weights,
            .bytes_written = 4 * double(s.n) * s.out,
            .weight_bytes = weights};
}

gemm::Shape product_of(const Shape& s) {
    return {.m = s.n, .n = s.out, .k = s.in, .transposed = 1, .activation = s.activation, .alpha = s.alpha};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("dense", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const float* w, const float* bias, int threads, PlanFor use) : shape_(shape), threads_(threads) {
    if (wants_product(shape)) {
        const gemm::Shape product = product_of(shape);
        if (shape.bfloat16 != 0) { // the same weights, whatever the batch
            std::vector<float> rounded(w, w + std::int64_t(shape.out) * shape.in);
            std::transform(rounded.begin(), rounded.end(), rounded.begin(), &round_bfloat16);
            product_.emplace(product, rounded.data(), shape.in, bias, threads);
            return;
        }
        product_.emplace(product, w, shape.in, bias, threads);
        return;
    }
    const bool once = use == PlanFor::one_call;
    row_ = &choose_row("dense", rows, shape, 0, [&](const KernelRow& row) { return (row.block == 0) == once ? 0 : 1; });
    if (once && row_->block == 0 && shape.bfloat16 == 0) {
        given_ = w;
    }
    pack(w, bias);
}

void Plan::pack(const float* w, const float* bias) {
    const Shape& s = shape_;
    const int block = std::max(1, row_->block);
    bias_ = Tensor<float>(round_up(s.out, block));
    if (bias != nullptr) {
        std::copy(bias, bias + s.out, bias_.data());
    }
    if (given_ != nullptr) {
        return;
    }
    const std::int64_t size = round_up(s.out, block) * s.in;
    weights_ = Tensor<float>::unset(s.bfloat16 != 0 ? 0 : size);
    weights16_ = Tensor<std::uint16_t>::unset(s.bfloat16 != 0 ? size : 0);
    if (row_->block == 0) {
        std::copy_n(w, weights_.size(), weights_.data());
        std::transform(w, w + weights16_.size(), weights16_.data(), &bfloat16_of);
        return;
    }
    const int threads = threads_for(8 * size, bytes_worth_a_thread, threads_);
    parallel_for(static_cast<int>(ceil_div(s.out, block)), threads, [&](int vector, int) {
        const std::int64_t first = std::int64_t(vector) * block; // output
        const std::int64_t group = first / (dense_group * block) * (dense_group * block);
        const std::int64_t width = round_up(std::min<std::int64_t>(dense_group * block, s.out - group), block);
        const std::int64_t at = group * s.in + first - group;
        const int outputs = static_cast<int>(std::min<std::int64_t>(block, s.out - first));
        if (s.bfloat16 == 0) {
            reorder::side_by_side(w + first * s.in, s.in, outputs, s.in, block, weights_.data() + at, width);
            return;
        }
        Tensor<float> lanes = Tensor<float>::unset(std::int64_t(s.in) * block);
        reorder::side_by_side(w + first * s.in, s.in, outputs, s.in, block, lanes.data(), block);
        for (std::int64_t i = 0; i < lanes.size(); ++i) {
            weights16_[at + i / block * width + i % block] = bfloat16_of(lanes[i]);
        }
    });
}

void Plan::run(const float* x, float* y, int images, Scratch& scratch) const {
    const Shape& s = shape_;
    if (product_) {
        product_->run(x, s.in, y, s.out, images, scratch);
        return;
    }
    const int block = row_->block == 0 ? isa_lanes(row_->isa) : row_->block;
    const int per_group = dense_group * block;
    const float* weights = given_ != nullptr ? given_ : weights_.data();
    const int groups = static_cast<int>(ceil_div(s.out, per_group));
    const int threads = threads_for((s.bfloat16 != 0 ? 2 : 4) * std::int64_t(s.in) * s.out, bytes_worth_a_thread, threads_);
    parallel_for(groups, threads, [&](int group, int) {
        const int first = group * per_group;
        const int outputs = std::min(per_group, s.out - first);
        row_->function(DenseLeaf{.x = x,
                                 .w = s.bfloat16 != 0 ? nullptr : weights + std::int64_t(first) * s.in,
                                 .w16 = s.bfloat16 != 0 ? weights16_.data() + std::int64_t(first) * s.in : nullptr,
                                 .bias = bias_.data() + first,
                                 .y = y + first,
                                 .ldx = s.in,
                                 .ldy = s.out,
                                 .rows = images,
                                 .in = s.in,
                                 .out = outputs,
                                 .vectors = static_cast<int>(ceil_div(outputs, block)),
                                 .activation = s.activation,
                                 .alpha = s.alpha});
    });
}

} // namespace dense
} // namespace fk
