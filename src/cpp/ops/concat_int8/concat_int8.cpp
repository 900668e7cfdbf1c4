#include "ops/concat_int8/concat_int8.hpp"

#include <numeric>

#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(const ConcatInt8Leaf&);                                                                                        \
    }
#include "ops/concat_int8/kernels.inc"
#undef FK_KERNEL

namespace concat_int8 {

namespace {

// Every piece but the last fills whole blocks.
bool whole_planes(const Shape& s) {
    for (std::size_t i = 0; i + 1 < s.channels.size(); ++i) {
        if (s.channels[i] % byte_block != 0) {
            return false;
        }
    }
    return true;
}

const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/concat_int8/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("concat_int8", rows);

const std::array device_rows = std::to_array<DeviceRow<fk_concat_int8_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/concat_int8/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("concat_int8", device_rows);

} // namespace

Cost cost(const Shape& s) {
    const double values = double(s.n) * s.c * s.ih * s.iw;
    return {.flops = 0, .bytes_read = values, .bytes_written = values};
}

fk_concat_int8_shape device_shape(const Shape& s, int piece) {
    return {.n = s.n,
            .pixels = checked_int(std::int64_t(s.ih) * s.iw, "pixels"),
            .c = s.c,
            .channels = s.channels.at(static_cast<std::size_t>(piece)),
            .first = std::accumulate(s.channels.begin(), s.channels.begin() + piece, 0)};
}

Cost device_cost(const fk_concat_int8_shape& s) {
    const double values = double(s.n) * s.channels * s.pixels;
    return {.flops = 0, .bytes_read = values, .bytes_written = values};
}

const DeviceRow<fk_concat_int8_shape>& choose_device_kernel(const fk_concat_int8_shape& shape, std::string_view target) {
    return choose_device_row("concat_int8", device_rows, shape, target);
}

Plan::Plan(const Shape& shape, int threads)
    : shape_(shape), row_(&choose_row("concat_int8", rows, shape)),
      threads_(threads_for(static_cast<std::int64_t>(2 * concat_int8::cost(shape).bytes_read), bytes_worth_a_thread, threads)) {}

void Plan::run(int piece, const std::uint8_t* x, std::uint8_t* y, int images) const {
    const Shape& s = shape_;
    const std::int64_t pixels = std::int64_t(s.ih) * s.iw;
    const int channels = s.channels[static_cast<std::size_t>(piece)];
    const int first = std::accumulate(s.channels.begin(), s.channels.begin() + piece, 0);
    // Pieces that share a block of the result must not be written at once: the images are what is shared out.
    parallel_for(images, threads_, [&](int image, int) {
        row_->function(ConcatInt8Leaf{.x = x + image * round_up(channels, byte_block) * pixels,
                                      .y = y + image * round_up(s.c, byte_block) * pixels,
                                      .pixels = pixels,
                                      .channels = channels,
                                      .first = first});
    });
}

} // namespace concat_int8
} // namespace fk
