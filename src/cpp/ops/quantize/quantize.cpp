#include "ops/quantize/quantize.hpp"

#include <algorithm>

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, to_bytes, to_floats, block)                                                                         \
    namespace isa {                                                                                                              \
    void to_bytes(const QuantizeLeaf&);                                                                                          \
    void to_floats(const QuantizeLeaf&);                                                                                         \
    }
#include "ops/quantize/kernels.inc"
#undef FK_KERNEL

namespace quantize {

namespace {

template <int BLOCK> bool serves(const Shape& s) { return BLOCK == 0 || s.block == 0 || s.block == BLOCK; }

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, to_bytes, to_floats, block) {Isa::isa, name, &isa::to_bytes, &isa::to_floats, block, &serves<block>},
#include "ops/quantize/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("quantize", rows);

bool wants_bytes(const fk_quantize_shape& s) { return s.to_floats == 0; }
bool wants_floats(const fk_quantize_shape& s) { return s.to_floats != 0; }
const std::array device_rows = std::to_array<DeviceRow<fk_quantize_shape>>({
#define FK_KERNEL(isa, name, to_bytes, to_floats, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/quantize/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("quantize", device_rows);

constexpr std::int64_t chunk = 16 * 1024;

} // namespace

void check_quantization(const Quantization& q) {
    require(std::isnormal(q.scale) && q.scale > 0 && std::isnormal(1 / q.scale), "scale must be positive and finite, is ",
            q.scale);
    require(q.zero_point >= 0 && q.zero_point <= 255, "zero_point must be from 0 to 255, is ", q.zero_point);
}

Cost cost(const Shape& s, bool to_bytes) {
    const double values = double(s.channels) * double(s.pixels);
    return {.flops = 2 * values, .bytes_read = to_bytes ? 4 * values : values, .bytes_written = to_bytes ? values : 4 * values};
}

fk_quantize_shape device_shape(const Shape& s, const Quantization& q, int n, bool to_floats) {
    check_quantization(q);
    return {.n = n,
            .channels = checked_int(s.channels, "channels"),
            .pixels = checked_int(s.pixels, "pixels"),
            .to_floats = to_floats ? 1 : 0,
            .zero_point = q.zero_point,
            .scale = q.scale,
            .inverse = 1 / q.scale};
}

Cost device_cost(const fk_quantize_shape& s) {
    return cost(Shape{std::int64_t(s.n) * s.channels, s.pixels, 0}, s.to_floats == 0);
}

const DeviceRow<fk_quantize_shape>& choose_device_kernel(const fk_quantize_shape& shape, std::string_view target) {
    return choose_device_row("quantize", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, const Quantization& q, int threads)
    : shape_(shape), row_(&choose_row("quantize", rows, shape)), q_(q), threads_(threads) {
    check_quantization(q);
}

void Plan::to_bytes(const float* x, std::uint8_t* y, int images) const {
    run(const_cast<float*>(x), y, images, row_->to_bytes); // read only
}

void Plan::to_floats(const std::uint8_t* x, float* y, int images) const {
    run(y, const_cast<std::uint8_t*>(x), images, row_->to_floats); // read only
}

void Plan::run(float* floats, std::uint8_t* bytes, int images, QuantizeKernel function) const {
    const Shape& s = shape_;
    QuantizeLeaf leaf{};
    leaf.scale = q_.scale;
    leaf.inverse = 1 / q_.scale;
    leaf.zero_point = q_.zero_point;
    leaf.block = s.block;
    const int threads = threads_for(5 * images * s.channels * s.pixels, bytes_worth_a_thread, threads_);
    if (s.block == 0) {
        const std::int64_t count = images * s.channels * s.pixels;
        parallel_for(static_cast<int>(ceil_div(count, chunk)), threads, [&](int index, int) {
            QuantizeLeaf part = leaf;
            part.floats = floats + index * chunk;
            part.bytes = bytes + index * chunk;
            part.pixels = std::min(chunk, count - index * chunk);
            function(part);
        });
        return;
    }
    const std::int64_t planes = ceil_div(s.channels, byte_block);
    const std::int64_t float_image = round_up(s.channels, s.block) * s.pixels;
    leaf.pixels = s.pixels;
    leaf.block_step = s.pixels * s.block;
    parallel_for(static_cast<int>(images * planes), threads, [&](int index, int) {
        QuantizeLeaf part = leaf;
        const std::int64_t first = index % planes * byte_block;
        part.channels = static_cast<int>(std::min<std::int64_t>(byte_block, s.channels - first));
        part.floats = floats + index / planes * float_image + first * s.pixels;
        part.bytes = bytes + index * s.pixels * byte_block;
        function(part);
    });
}

} // namespace quantize
} // namespace fk
