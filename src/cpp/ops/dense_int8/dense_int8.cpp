#include "ops/dense_int8/dense_int8.hpp"

#include <algorithm>

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, pairs)                                                                          \
    namespace isa {                                                                                                              \
    void function(const DenseInt8Leaf&);                                                                                         \
    }
#include "ops/dense_int8/kernels.inc"
#undef FK_KERNEL

namespace dense_int8 {

namespace {

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, pairs) {Isa::isa, name, &isa::function, &eligible, pairs},
#include "ops/dense_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("dense_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_dense_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, pairs)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/dense_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("dense_int8", device_rows);

constexpr std::int64_t most_terms = 1 << 16; // 255 * 128 * 2^16 < 2^31

} // namespace

Shape infer(const Params& p) {
    const auto [n, channels, pixels] = p.x;
    const auto [out, in] = p.w;
    require(n >= 1 && channels >= 1 && pixels >= 1, "x must not be empty, its shape is [", n, ", ", channels, ", ", pixels, "]");
    require(out >= 1, "w must have at least one output, its shape is [", out, ", ", in, "]");
    require(in == channels * pixels, "w [", out, ", ", in, "] takes ", in, " inputs, x has ", channels, " x ", pixels, " = ",
            channels * pixels);
    require(in <= most_terms, "a sum of ", in, " products may leave int32; at most ", most_terms, " are served");
    return {.n = checked_int(n, "batch"),
            .channels = checked_int(channels, "channels"),
            .pixels = checked_int(pixels, "pixels"),
            .out = checked_int(out, "outputs")};
}

Cost cost(const Shape& s) {
    const double in = double(s.channels) * s.pixels;
    const double weights = s.out * in + 12.0 * s.out;
    return {.flops = 2 * s.n * in * s.out,
            .bytes_read = s.n * in + weights,
            .bytes_written = double(s.n) * s.out,
            .weight_bytes = weights};
}

fk_dense_int8_shape device_shape(const Shape& s, int zero_point, const Requantization& r, Result result) {
    check_zero_point(zero_point);
    if (result == Result::bytes) {
        check_requantization(r, s.out);
    }
    return {.n = s.n,
            .channels = s.channels,
            .pixels = s.pixels,
            .out = s.out,
            .floats = result == Result::floats ? 1 : 0,
            .zero_point = zero_point,
            .low = r.low,
            .high = r.high};
}

Cost device_cost(const fk_dense_int8_shape& s) { return cost(Shape{s.n, s.channels, s.pixels, s.out}); }

const DeviceRow<fk_dense_int8_shape>& choose_device_kernel(const fk_dense_int8_shape& shape, std::string_view target) {
    return choose_device_row("dense_int8", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const std::int8_t* w, int zero_point, const Requantization& r, Result result, int threads)
    : shape_(shape), row_(&choose_row("dense_int8", rows, shape)), zero_point_(zero_point),
      threads_(threads_for(std::int64_t(shape.channels) * shape.pixels * shape.out, bytes_worth_a_thread, threads)),
      requantize_(r, shape.out) {
    check_zero_point(zero_point);
    if (result == Result::bytes) {
        check_requantization(r, shape.out);
    }
    pack(w);
}

void Plan::pack(const std::int8_t* w) {
    const Shape& s = shape_;
    const std::int64_t in = std::int64_t(s.channels) * s.pixels;
    weights_ = Tensor<std::int8_t>(round_up(s.out, byte_block) * row_bytes());
    start_ = Tensor<std::int32_t>(round_up(s.out, byte_block));
    for (std::int64_t o = 0; o < s.out; ++o) {
        const std::int64_t first = o / byte_block / dense_int8_group * dense_int8_group; // block that the group begins with
        const std::int64_t blocks = std::min<std::int64_t>(dense_int8_group, ceil_div(s.out, byte_block) - first);
        std::int8_t* group = weights_.data() + first * byte_block * row_bytes();
        const std::int64_t lane = o - first * byte_block; // in the group
        std::int64_t sum = 0;
        for (std::int64_t c = 0; c < s.channels; ++c) {
            for (std::int64_t p = 0; p < s.pixels; ++p) {
                const std::int8_t value = w[o * in + c * s.pixels + p];
                const std::int64_t i = (c / byte_block * s.pixels + p) * byte_block + c % byte_block; // byte of x's row
                const std::int64_t step = i / 4 * blocks * byte_block * 4;
                const std::int64_t at = row_->pairs ? (i % 2 * blocks * byte_block + lane) * 2 + i % 4 / 2 : lane * 4 + i % 4;
                group[step + at] = value;
                sum += value;
            }
        }
        start_[o] = static_cast<std::int32_t>(-sum * zero_point_);
    }
}

void Plan::run(const std::uint8_t* x, std::uint8_t* y, int images) const { run(x, y, nullptr, images); }
void Plan::run(const std::uint8_t* x, float* y, int images) const { run(x, nullptr, y, images); }

void Plan::run(const std::uint8_t* x, std::uint8_t* bytes, float* floats, int images) const {
    const Shape& s = shape_;
    const int blocks = static_cast<int>(ceil_div(s.out, byte_block));
    const int groups = static_cast<int>(ceil_div(blocks, dense_int8_group));
    parallel_for(groups, threads_, [&](int group, int) {
        const std::int64_t first = std::int64_t(group) * dense_int8_group * byte_block;
        row_->function(
            DenseInt8Leaf{.x = x,
                          .w = weights_.data() + first * row_bytes(),
                          .start = start_.data() + first,
                          .requantize = requantize_.from(first),
                          .y_bytes = bytes != nullptr ? bytes + first : nullptr,
                          .y_floats = floats != nullptr ? floats + first : nullptr,
                          .x_row = row_bytes(),
                          .y_row = floats != nullptr ? s.out : round_up(s.out, byte_block),
                          .rows = images,
                          .steps = static_cast<int>(row_bytes() / 4),
                          .outputs = static_cast<int>(std::min<std::int64_t>(dense_int8_group * byte_block, s.out - first)),
                          .blocks = std::min(dense_int8_group, blocks - group * dense_int8_group)});
    });
}

} // namespace dense_int8
} // namespace fk
