// How a planned convolution gives its kernel the work: bands of rows, padded where that is needed, pooled where that is asked
// for; runs of pixels where the image is one long row.

#include <algorithm>
#include <cstring>

#include "ops/conv2d/conv2d.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk::conv2d {

int Plan::filters_of_last() const {
    const int oc = shape_.oc / shape_.groups;
    return oc - (ceil_div(oc, row_->block) - 1) * row_->block;
}

void Plan::run(const float* x, float* y, const float* residual, int images, Scratch& scratch) const {
    if (winograd_) {
        winograd_->run(x, y, residual, images, {.channels = y_channels_, .pooled = pool_.has_value()}, scratch);
        return;
    }
    const Shape& s = shape_;
    const std::int64_t x_channels = planar_x_ ? s.ic : round_up(s.ic, row_->block);
    const std::int64_t x_image = x_channels * s.ih * s.iw;
    const std::int64_t r_image = round_up(s.oc, row_->block) * s.oh * s.ow;
    const std::int64_t y_image = round_up(y_channels_, row_->block) * y_height() * y_width();
    const int units = flat_ ? static_cast<int>(ceil_div(std::int64_t(s.oh) * s.ow, flat_pixels_)) : y_height();
    parallel_bands(images, units, bands_, threads_, [&](std::int64_t image, int begin, int end, int slot) {
        const float* r = residual != nullptr ? residual + image * r_image : nullptr;
        if (flat_) {
            run_flat(x + image * x_image, y + image * y_image, r, begin, end);
        } else if (pool_) {
            run_pooled(x + image * x_image, y + image * y_image, begin, end, scratch.slot<float>(slot));
        } else {
            run_band(x + image * x_image, y + image * y_image, r, begin, end, scratch.slot<float>(slot));
        }
    });
}

void Plan::copy_padded(const float* x, int group, int first_row, int rows, float* to) const {
    const Shape& s = shape_;
    const std::int64_t pixel = planar_x_ ? 1 : row_->block;
    const std::int64_t planes = planar_x_ ? s.ic / s.groups : ceil_div(s.ic / s.groups, row_->block);
    const std::int64_t width = std::int64_t(s.ow - 1) * s.stride_w + std::int64_t(s.kw - 1) * s.dilation_w + 1;
    const std::int64_t left = std::min<std::int64_t>(s.pad_left, width);
    const std::int64_t inside = std::clamp<std::int64_t>(s.iw, 0, width - left);
    x += group * planes * s.ih * s.iw * pixel;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        for (int r = first_row; r < first_row + rows; ++r, to += width * pixel) {
            if (r < 0 || r >= s.ih) {
                std::memset(to, 0, static_cast<std::size_t>(width * pixel) * sizeof(float));
                continue;
            }
            std::memset(to, 0, static_cast<std::size_t>(left * pixel) * sizeof(float));
            std::memcpy(to + left * pixel, x + (plane * s.ih + r) * s.iw * pixel,
                        static_cast<std::size_t>(inside * pixel) * sizeof(float));
            std::memset(to + (left + inside) * pixel, 0,
                        static_cast<std::size_t>((width - left - inside) * pixel) * sizeof(float));
        }
    }
}

// A leaf for `rows` rows of sums of a group from row `first` on, padded where that is needed; where they go is left open.
Conv2dLeaf Plan::rows_of_group(const float* x, int group, int first, int rows, float* scratch) const {
    const Shape& s = shape_;
    const int block = row_->block;
    const std::int64_t pixel = planar_x_ ? 1 : block;
    const int ic = s.ic / s.groups;
    const int oc_blocks = static_cast<int>(ceil_div(s.oc / s.groups, block));
    const int in_rows = (rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
    const int first_row = first * s.stride_h - s.pad_top;
    const std::int64_t width = padded_ ? std::int64_t(s.ow - 1) * s.stride_w + std::int64_t(s.kw - 1) * s.dilation_w + 1 : s.iw;
    const std::int64_t height = padded_ ? in_rows : s.ih;
    const std::int64_t planes = planar_x_ ? ic : ceil_div(ic, block);
    const float* from = x + (group * planes * s.ih + first_row) * s.iw * pixel;
    if (padded_) {
        copy_padded(x, group, first_row, in_rows, scratch);
        from = scratch;
    }
    return {.x = from,
            .w = weights_.data() + std::int64_t(group) * oc_blocks * block * ic * s.kh * s.kw,
            .bias = bias_.data() + std::int64_t(group) * oc_blocks * block,
            .residual = nullptr,
            .y = nullptr,
            .pooled = nullptr,
            .x_row = width * pixel,
            .x_block = width * height * (planar_x_ ? block : pixel),
            .channel_step = planar_x_ ? width * height : 1,
            .pixel_step = pixel,
            .y_row = std::int64_t(s.ow) * block,
            .y_block = 0,
            .pooled_row = 0,
            .pooled_block = 0,
            .pool = {},
            .pool_begin = 0,
            .pool_end = 0,
            .first = first,
            .rows = rows,
            .ow = s.ow,
            .ic = ic,
            .oc_blocks = oc_blocks,
            .oc_last = filters_of_last(),
            .kh = s.kh,
            .kw = s.kw,
            .stride_h = s.stride_h,
            .stride_w = s.stride_w,
            .dilation_h = s.dilation_h,
            .dilation_w = s.dilation_w,
            .activation = s.activation,
            .alpha = s.alpha};
}

void Plan::run_band(const float* x, float* y, const float* residual, int begin, int end, float* scratch) const {
    for (int group = 0; group < shape_.groups; ++group) {
        Conv2dLeaf leaf = rows_of_group(x, group, begin, end - begin, scratch);
        leaf.y_block = shape_.oh * leaf.y_row;
        const std::int64_t y_at = group * leaf.oc_blocks * leaf.y_block + begin * leaf.y_row;
        leaf.y = y + y_at;
        leaf.residual = residual != nullptr ? residual + y_at : nullptr;
        row_->function.direct(leaf);
    }
}

// Rows [begin, end) of the maxima, from the sums that their windows reach.
void Plan::run_pooled(const float* x, float* y, int begin, int end, float* scratch) const {
    const pool::Shape& p = *pool_;
    const int from = std::max(0, begin * p.stride_h - p.pad_top);
    const int to = std::min(p.ih, (end - 1) * p.stride_h - p.pad_top + p.kh);
    for (int group = 0; group < shape_.groups; ++group) {
        for (int first = from; first < to; first += rows_at_once_) {
            Conv2dLeaf leaf = rows_of_group(x, group, first, std::min(rows_at_once_, to - first), scratch);
            leaf.y = scratch + padded_floats_;
            leaf.y_block = p.kh * leaf.y_row;
            leaf.pooled_row = std::int64_t(p.ow) * row_->block;
            leaf.pooled_block = p.oh * leaf.pooled_row;
            leaf.pooled = y + group * leaf.oc_blocks * leaf.pooled_block + begin * leaf.pooled_row;
            leaf.pool = pool::window_of(p);
            leaf.pool_begin = begin;
            leaf.pool_end = end;
            row_->function.direct(leaf);
        }
    }
}

void Plan::run_flat(const float* x, float* y, const float* residual, int begin, int end) const {
    const Shape& s = shape_;
    const std::int64_t block = row_->block;
    const std::int64_t pixel = planar_x_ ? 1 : block;
    const std::int64_t pixels = std::int64_t(s.oh) * s.ow;
    const std::int64_t oc_blocks = ceil_div(s.oc / s.groups, block);
    const std::int64_t planes = planar_x_ ? s.ic / s.groups : ceil_div(s.ic / s.groups, block);
    const std::int64_t first = begin * flat_pixels_;
    const std::int64_t count = std::min(end * flat_pixels_, pixels) - first;
    for (int group = 0; group < s.groups; ++group) {
        const std::int64_t y_at = (group * oc_blocks * pixels + first) * block;
        run_group(group, x + (group * planes * pixels + first) * pixel, pixels * (planar_x_ ? block : pixel), y + y_at,
                  residual != nullptr ? residual + y_at : nullptr, pixels * block, count);
    }
}

void Plan::run_pixels(const float* x, std::int64_t x_block, float* y, const float* residual, std::int64_t y_block,
                      std::int64_t pixels) const {
    run_group(0, x, x_block, y, residual, y_block, pixels);
}

void Plan::run_group(int group, const float* x, std::int64_t x_block, float* y, const float* residual, std::int64_t y_block,
                     std::int64_t pixels) const {
    const Shape& s = shape_;
    const std::int64_t block = row_->block;
    const std::int64_t pixel = planar_x_ ? 1 : block;
    const int ic = s.ic / s.groups;
    const std::int64_t oc_blocks = ceil_div(s.oc / s.groups, block);
    for (std::int64_t first = 0; first < pixels; first += most_flat_pixels) {
        row_->function.direct(Conv2dLeaf{.x = x + first * pixel,
                                         .w = weights_.data() + group * oc_blocks * block * ic,
                                         .bias = bias_.data() + group * oc_blocks * block,
                                         .residual = residual != nullptr ? residual + first * block : nullptr,
                                         .y = y + first * block,
                                         .pooled = nullptr,
                                         .x_row = 0,
                                         .x_block = x_block,
                                         .channel_step = planar_x_ ? x_block / block : 1,
                                         .pixel_step = pixel,
                                         .y_row = 0,
                                         .y_block = y_block,
                                         .pooled_row = 0,
                                         .pooled_block = 0,
                                         .pool = {},
                                         .pool_begin = 0,
                                         .pool_end = 0,
                                         .first = 0,
                                         .rows = 1,
                                         .ow = static_cast<int>(std::min(most_flat_pixels, pixels - first)),
                                         .ic = ic,
                                         .oc_blocks = static_cast<int>(oc_blocks),
                                         .oc_last = filters_of_last(),
                                         .kh = 1,
                                         .kw = 1,
                                         .stride_h = 1,
                                         .stride_w = 1,
                                         .dilation_h = 1,
                                         .dilation_w = 1,
                                         .activation = s.activation,
                                         .alpha = s.alpha});
    }
}

} // namespace fk::conv2d
