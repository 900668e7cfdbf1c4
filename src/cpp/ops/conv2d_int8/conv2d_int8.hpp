// Convolution of bytes with 8-bit weights, sums exact in int32, result requantised to bytes.
//
//   S[n, o, i, j] = sum_{c, p, q} w[o, c, p, q] (x[n, g ic/G + c, i s_h + p d_h - pad_top, j s_w + q d_w - pad_left] - z)
//   y = clip( round( (S multiplier[o] + offset[o]) + r residual_multiplier ), low, high )
//
// with x = z, the zero point, outside the image (it stands for 0), and the rounding of ops/requantize_leaf.hpp.
// Values are kept in blocked channels [n, ceil(c / 16), h, w, 16] on every instruction set.
#pragma once

#include <vector>

#include "base/scratch.hpp"
#include "fk_int8_shapes.h"
#include "ops/conv2d/conv2d.hpp"
#include "ops/conv2d_int8/leaf.hpp"
#include "ops/requantize.hpp"

namespace fk::conv2d_int8 {

using Shape = fk_conv2d_shape;

struct KernelRow {
    Isa isa;
    const char* name;
    Conv2dInt8Kernel function;
    bool (*eligible)(const Shape&);
    bool pairs; // weights as int16 pairs
    static constexpr int block = byte_block;
};

// The most products that a sum may have: 255 * 128 * 2^16 < 2^31.
inline constexpr std::int64_t most_terms = 1 << 16;

// Shapes as of conv2d. Throws ValueError with the numbers, also where a sum could leave int32.
Shape infer(const conv2d::Params& params);
Cost cost(const Shape& shape);

// The shape as devices take it, which holds all numbers but those of each filter, from any Shape that names its window as
// conv2d's does. Throws ValueError as Plan does.
struct Split {
    int channels, groups;
};
template <class Window>
fk_conv2d_int8_shape window_shape(const Window& s, const Split& split, int zero_point, const Requantization& r) {
    check_zero_point(zero_point);
    check_requantization(r, s.oc);
    return {.n = s.n,
            .ic = split.channels,
            .ih = s.ih,
            .iw = s.iw,
            .oc = s.oc,
            .oh = s.oh,
            .ow = s.ow,
            .kh = s.kh,
            .kw = s.kw,
            .stride_h = s.stride_h,
            .stride_w = s.stride_w,
            .pad_top = s.pad_top,
            .pad_left = s.pad_left,
            .dilation_h = s.dilation_h,
            .dilation_w = s.dilation_w,
            .groups = split.groups,
            .zero_point = zero_point,
            .residual_multiplier = r.residual_multiplier,
            .low = r.low,
            .high = r.high};
}
fk_conv2d_int8_shape device_shape(const Shape& shape, int zero_point, const Requantization& r);
Cost device_cost(const fk_conv2d_int8_shape& shape);
// The row that serves a shape on a device ("opencl"); chosen and noted like the rows of the processor.
const DeviceRow<fk_conv2d_int8_shape>& choose_device_kernel(const fk_conv2d_int8_shape& shape, std::string_view target);

class Plan {
  public:
    // Chooses the kernel, packs w [oc, ic / groups, kh, kw] (dense). planar_x: x comes as [n, ic, ih, iw].
    Plan(const Shape& shape, const std::int8_t* w, int zero_point, const Requantization& r, bool planar_x, int threads);

    const KernelRow& kernel() const { return *row_; }
    ScratchBooking scratch() const { return booking_; }

    // x, y (and residual, like y; may be null) hold `images` <= shape.n images. Allocates nothing.
    void run(const std::uint8_t* x, std::uint8_t* y, const std::uint8_t* residual, int images, Scratch& scratch) const;

  private:
    struct Term { // what the first byte of a step's word is
        int channel, row, column;
    };

    struct Band { // what one task makes: rows (flat: runs of pixels) [begin, end) of some blocks of filters of one image
        const std::uint8_t* x; // the image's channels of the group
        std::uint8_t* y;
        const std::uint8_t* residual;
        int first_block, blocks, begin, end;
    };

    void divide_work();
    void find_offsets();
    void pack(const std::int8_t* w);
    void pack_step(std::int8_t* to, const std::int8_t* w, std::int64_t first, const Term& term, int blocks) const;
    std::int8_t weight(const std::int8_t* w, std::int64_t filter, const Term& term, int byte) const;
    void run_band(const Band& band, std::uint8_t* padded) const;
    void copy_padded(const std::uint8_t* x, int first_row, int rows, std::uint8_t* padded) const;

    std::int64_t pixel() const { return planar_x_ ? 1 : byte_block; }
    int group_planes() const; // planes of x that a group reads
    // Columns of the window in a word: four neighbours of a planar image, else one.
    int columns_of_word() const { return planar_x_ && shape_.dilation_w == 1 ? 4 : 1; }

    Shape shape_;
    const KernelRow* row_;
    int zero_point_;
    bool planar_x_;
    int threads_;
    int groups_;                          // groups that the kernels see: 1 where they do not fill whole blocks
    bool flat_ = false;                   // 1 x 1, stride 1: the image is one long row
    bool padded_ = false;                 // rows are copied into scratch with their zero points
    int bands_ = 1;                       // pieces that an image's rows (or pixels) are cut into
    int parts_ = 1;                       // ... and its filters
    std::int64_t width_ = 0, height_ = 0; // of a plane of x, as the kernels see it
    int steps_ = 0, oc_blocks_ = 0, block_group_ = 1;
    std::vector<Term> terms_; // [steps]
    Tensor<std::int32_t> offsets_;
    Tensor<std::int8_t> weights_;
    Tensor<std::int32_t> start_;
    PackedRequantization requantize_;
    ScratchBooking booking_;
};

} // namespace fk::conv2d_int8
