#include "ops/conv2d/winograd.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/threads.hpp"
#include "ops/split.hpp"

namespace fk::conv2d {

namespace {

// Blocks of outputs worked on together: their products and the inputs of a run stay in half a second-level cache of 1 MiB.
constexpr int oc_step = 8;
constexpr std::int64_t input_bytes = 384 * 1024;
constexpr std::int64_t longest_run = 42; // 3 tiles of 14 pixels of the product
constexpr std::int64_t shortest_run = 4;

int points_of(int tile) { return (tile + 2) * (tile + 2); }

std::int64_t tiles_of(const Shape& s, int tile) { return ceil_div(s.oh, tile) * ceil_div(s.ow, tile); }

std::int64_t run_of(std::int64_t tiles, std::int64_t ic, int tile, int threads) {
    std::int64_t run = std::clamp(input_bytes / (points_of(tile) * ic * 4), shortest_run, longest_run);
    if (run > 14) {
        run -= run % 14;
    }
    // Every thread gets the same number of tiles, one more at most.
    const std::int64_t runs = round_up(ceil_div(tiles, run), threads > 1 && tiles >= 2 * threads ? threads : 1);
    return ceil_div(tiles, runs);
}

// G of m + 2 rows and 3 columns.
using Row = std::array<double, 3>;
std::vector<Row> weight_transform(int tile) {
    if (tile == 2) {
        return {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    }
    return {{1.0 / 4, 0, 0},
            {-1.0 / 6, -1.0 / 6, -1.0 / 6},
            {-1.0 / 6, 1.0 / 6, -1.0 / 6},
            {1.0 / 24, 1.0 / 12, 1.0 / 6},
            {1.0 / 24, -1.0 / 12, 1.0 / 6},
            {0, 0, 1}};
}

// Cycles to stream weights, at one vector FMA a cycle: 24 bytes a cycle from the third-level cache, 6 from memory.
double streaming(double bytes, double passes) {
    if (bytes < 600e3) {
        return 0;
    }
    return passes * bytes / (bytes < 12e6 ? 24 : 6);
}

} // namespace

bool winograd_fits(const Shape& s) {
    return s.kh == 3 && s.kw == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
           s.groups == 1;
}

double direct_work(const Shape& s, int lanes) {
    const double blocks = double(ceil_div(s.oc / s.groups, lanes)) * s.groups;
    const double weights = blocks * lanes * (double(s.ic) / s.groups) * s.kh * s.kw * 4;
    const double products = blocks * s.n * s.oh * s.ow * (double(s.ic) / s.groups) * s.kh * s.kw;
    return std::max(products, streaming(weights, s.n));
}

double winograd_work(const Shape& s, int lanes, int tile) {
    const double blocks_in = double(ceil_div(s.ic, lanes));
    const double blocks_out = double(ceil_div(s.oc, lanes));
    const std::int64_t tiles = s.n * tiles_of(s, tile);
    const std::int64_t run = run_of(tiles, s.ic, tile, 1);
    const int points = points_of(tile);
    const double products = double(tiles) * points * s.ic * blocks_out;
    const double weights = double(points) * s.ic * blocks_out * lanes * 4;
    // Sums and stores of one block's transforms: 2 stores a point, two cycles each, and the sums beside them.
    const double transforms = double(tiles) * (blocks_in * (tile == 2 ? 80 : 220) + blocks_out * (tile == 2 ? 60 : 180));
    // A run of few tiles leaves the products bound by the loads of the weights.
    const double narrow = run < 6 ? 6.0 / double(run) : 1.0;
    return std::max(products * narrow, streaming(weights, double(ceil_div(tiles, run)))) * 1.05 + transforms;
}

Winograd::Winograd(const Shape& shape, const Conv2dKernel& kernel, int lanes, const float* w, const float* bias, int threads)
    : shape_(shape), kernel_(kernel), lanes_(lanes), threads_(threads),
      tiles_x_(static_cast<int>(ceil_div(shape.ow, kernel.tile))), tiles_image_(static_cast<int>(tiles_of(shape, kernel.tile))),
      run_(static_cast<int>(run_of(std::int64_t(shape.n) * tiles_image_, shape.ic, kernel.tile, threads))) {
    pack(w, bias);
    booking_.book(4 * winograd_floats(kernel.tile, ceil_div(shape.ic, lanes), oc_step, run_, lanes));
}

// Transformed in double precision.
void Winograd::pack(const float* w, const float* bias) {
    const Shape& s = shape_;
    const std::int64_t blocks = ceil_div(s.oc, lanes_);
    const std::vector<Row> g = weight_transform(kernel_.tile);
    const std::size_t side = g.size();
    const std::int64_t point = blocks * s.ic * lanes_;
    weights_ = Tensor<float>(point * points_of(kernel_.tile));
    bias_ = Tensor<float>(blocks * lanes_);
    for (std::int64_t o = 0; o < s.oc; ++o) {
        for (std::int64_t c = 0; c < s.ic; ++c) {
            const float* from = w + (o * s.ic + c) * 9;
            float* to = weights_.data() + weight_offset(o / lanes_, blocks, c, s.ic, lanes_) + o % lanes_;
            for (std::size_t r = 0; r < side; ++r) {
                double half[3];
                for (std::size_t q = 0; q < 3; ++q) {
                    half[q] = g[r][0] * from[q] + g[r][1] * from[3 + q] + g[r][2] * from[6 + q];
                }
                for (std::size_t q = 0; q < side; ++q, to += point) {
                    *to = static_cast<float>(half[0] * g[q][0] + half[1] * g[q][1] + half[2] * g[q][2]);
                }
            }
        }
    }
    if (bias != nullptr) {
        std::copy(bias, bias + s.oc, bias_.data());
    }
}

void Winograd::run(const float* x, float* y, const float* residual, int images, const Output& output, Scratch& scratch) const {
    const Shape& s = shape_;
    const std::int64_t tiles = std::int64_t(images) * tiles_image_;
    const std::int64_t x_block = std::int64_t(s.ih) * s.iw * lanes_;
    const std::int64_t r_block = std::int64_t(s.oh) * s.ow * lanes_;
    const std::int64_t y_block = output.pooled ? std::int64_t(s.oh / 2) * (s.ow / 2) * lanes_ : r_block;
    const std::int64_t oc_blocks = ceil_div(s.oc, lanes_);
    const int threads =
        threads_for(static_cast<std::int64_t>(tiles * points_of(kernel_.tile) * s.ic * 2 * s.oc), flops_worth_a_thread, threads_);
    parallel_for(static_cast<int>(ceil_div(tiles, run_)), threads, [&](int task, int slot) {
        const std::int64_t first = std::int64_t(task) * run_;
        kernel_.winograd(WinogradLeaf{.x = x,
                                      .w = weights_.data(),
                                      .bias = bias_.data(),
                                      .residual = residual,
                                      .y = y,
                                      .scratch = scratch.slot<float>(slot),
                                      .x_image = ceil_div(s.ic, lanes_) * x_block,
                                      .x_block = x_block,
                                      .y_image = ceil_div(output.channels, lanes_) * y_block,
                                      .y_block = y_block,
                                      .residual_image = oc_blocks * r_block,
                                      .ih = s.ih,
                                      .iw = s.iw,
                                      .oh = s.oh,
                                      .ow = s.ow,
                                      .pad_top = s.pad_top,
                                      .pad_left = s.pad_left,
                                      .ic = s.ic,
                                      .oc_blocks = static_cast<int>(oc_blocks),
                                      .tiles_x = tiles_x_,
                                      .tiles_image = tiles_image_,
                                      .first = static_cast<int>(first),
                                      .count = static_cast<int>(std::min<std::int64_t>(run_, tiles - first)),
                                      .oc_step = oc_step,
                                      .pooled = output.pooled,
                                      .activation = s.activation,
                                      .alpha = s.alpha});
    });
}

} // namespace fk::conv2d
