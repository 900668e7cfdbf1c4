// What a conv2d kernel is given: a band of output rows of one image and one group. Plain data.
#pragma once

#include <stdint.h>

#include "fk_shapes.h"
#include "ops/pool_window_leaf.hpp"

namespace fk {

// Channels stand in blocks of B (the row's `block`): an image is [channels / B][h][w][B]. The input is either blocked
// (channel_step 1, pixel_step B) or planar NCHW (channel_step h * w, pixel_step 1); padding, where there is any, is
// already in it as zeros, so x points at the window of the first output pixel. Strides count floats.
// Weights: [oc / 2B][ic / B][kh][kw][channels in the block][2][B], the last channel block shortened to what is left; an odd
// last block of filters stands alone, without the [2]. So the weights of a pair of blocks are one stream. (Block 1, the
// reference: [oc][ic][kh][kw].)
// Sums that are pooled stand in a ring of pool.kh rows for each block of filters, row r of the image in slot r % pool.kh: the
// next band finds there what its first windows share with the band before.
struct Conv2dLeaf {
    const float* x;
    const float* w;
    const float* bias;     // [oc / B][B], never null
    const float* residual; // like y, added before the activation; may be null
    float* y;
    float* pooled; // null, or where the maxima of the outputs go that complete the windows of `pool`; y is then a ring
    int64_t x_row, x_block, channel_step, pixel_step;
    int64_t y_row, y_block; // y's pixel step is B
    int64_t pooled_row, pooled_block;
    PoolWindow pool;
    int pool_begin, pool_end; // rows of maxima that are wanted; pooled points at the first
    int first, rows, ow;      // first: of these rows in the image of sums, where they are pooled
    int ic, oc_blocks;
    int oc_last; // filters in the last block
    int kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    int activation;
    float alpha;
};

// The most rows that a pooling window may have that is taken along.
[[maybe_unused]] static constexpr int most_pooled_rows = 8;

// What a Winograd kernel is given: a run of tiles of m x m outputs, counted through all images row by row. Weights are
// transformed: [point][oc / 2B][ic][2][B] (as above) with side^2 points, side = m + window - 1; the input is blocked and not
// padded.
struct WinogradLeaf {
    const float* x;
    const float* w;
    const float* bias;     // [oc / B][B], never null
    const float* residual; // like y, added before the activation; may be null
    float* y;
    float* scratch; // winograd_floats()
    int64_t x_image, x_block, y_image, y_block, residual_image;
    int ih, iw, oh, ow, pad_top, pad_left;
    int ic, oc_blocks;
    int oc_last;              // filters in the last block
    int tiles_x, tiles_image; // tiles in a row of an image, and in an image
    int first, count;         // this run
    int oc_step;              // blocks of outputs that are worked on together
    bool pooled;              // y takes the maxima of 2 x 2 outputs
    int activation;
    float alpha;
};

// Transforming a block of filters: x [channels][window][window][B] -> G x G^T, channel after channel w_step floats apart, the
// side^2 points of a channel w_point apart. g: [side][window].
struct WinogradWeightsLeaf {
    const float* x;
    float* w;
    const double* g;
    int64_t w_step, w_point;
    int channels, side, window;
};

// Distance between the points of a transformed run: a vector more than it holds, so that the points of a tile do not all
// fall into one set of the cache.
[[maybe_unused]] static constexpr int64_t winograd_point(int64_t blocks, int64_t tiles, int64_t lanes) {
    return (blocks * tiles + 1) * lanes;
}
// Scratch of a run of `tiles` tiles: transformed inputs and products.
[[maybe_unused]] static constexpr int64_t winograd_floats(int side, int64_t ic_blocks, int64_t oc_step, int64_t tiles,
                                                          int64_t lanes) {
    return side * side * (winograd_point(ic_blocks, tiles, lanes) + winograd_point(oc_step, tiles, lanes));
}

// Where the weights of block `block` of `blocks` stand at one step of the sum of `steps`.
[[maybe_unused]] static constexpr int64_t weight_offset(int64_t block, int64_t blocks, int64_t step, int64_t steps,
                                                        int64_t lanes) {
    const bool alone = lanes == 1 || block == (blocks & ~int64_t{1});
    return alone ? (block * steps + step) * lanes : ((block & ~int64_t{1}) * steps + 2 * step + (block & 1)) * lanes;
}

// A row of the list: one of the two forms. `tile` is Winograd's m, `window` the side of the window that it serves.
struct Conv2dKernel {
    void (*direct)(const Conv2dLeaf&) = nullptr;
    void (*winograd)(const WinogradLeaf&) = nullptr;
    void (*winograd_weights)(const WinogradWeightsLeaf&) = nullptr;
    int tile = 0;
    int window = 0;
};

} // namespace fk
