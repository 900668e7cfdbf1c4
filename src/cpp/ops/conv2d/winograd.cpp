#include "ops/conv2d/winograd.hpp"

#include <algorithm>
#include <vector>

#include "base/threads.hpp"
#include "ops/reorder/reorder.hpp"
#include "ops/split.hpp"

namespace fk::conv2d {

namespace {

// Blocks of outputs worked on together: their products and the inputs of a run stay in half a second-level cache of 1 MiB.
constexpr int oc_step = 8;
constexpr std::int64_t input_bytes = 384 * 1024;
constexpr std::int64_t longest_run = 42; // 3 tiles of 14 pixels of the product
constexpr std::int64_t shortest_run = 4;
constexpr std::int64_t shortest_far_run = 28;
constexpr double far_weights = 4e6;

int side_of(const Conv2dKernel& kernel) { return kernel.tile + kernel.window - 1; }

int points_of(const Conv2dKernel& kernel) { return side_of(kernel) * side_of(kernel); }

std::int64_t tiles_of(const Shape& s, int tile) { return ceil_div(s.oh, tile) * ceil_div(s.ow, tile); }

// Tiles of a run. Weights that do not stay in a second-level cache are read once a run: longer runs are worth more than
// transformed inputs that stay there (each point's are read once for every eight blocks of outputs).
std::int64_t run_of(const Shape& s, std::int64_t tiles, int points, int threads) {
    const bool far = 4.0 * points * s.ic * s.oc > far_weights;
    std::int64_t run =
        std::clamp(input_bytes / (std::int64_t(points) * s.ic * 4), far ? shortest_far_run : shortest_run, longest_run);
    if (run > 14) {
        run -= run % 14;
    }
    // Every thread gets the same number of tiles, one more at most.
    const std::int64_t runs = round_up(ceil_div(tiles, run), threads > 1 && tiles >= 2 * threads ? threads : 1);
    return ceil_div(tiles, runs);
}

// G: at each point a, 1, a, a^2, ... over the product of its distances from the others (with B^T as in the kernel), and the
// last weight at infinity; [side][window].
std::vector<double> weight_transform(const Conv2dKernel& kernel) {
    struct Point {
        double at, scale;
    };
    const std::vector<Point> points =
        side_of(kernel) == 4 ? std::vector<Point>{{0, 1}, {1, 0.5}, {-1, 0.5}}
                             : std::vector<Point>{{0, 1.0 / 4}, {1, -1.0 / 6}, {-1, -1.0 / 6}, {2, 1.0 / 24}, {-2, 1.0 / 24}};
    std::vector<double> g;
    for (const Point& point : points) {
        double power = point.scale;
        for (int i = 0; i < kernel.window; ++i, power *= point.at) {
            g.push_back(power);
        }
    }
    g.resize(g.size() + static_cast<std::size_t>(kernel.window), 0.0);
    g.back() = 1;
    return g;
}

// Cycles to stream weights, at one vector FMA a cycle: 24 bytes a cycle from the third-level cache, 6 from memory.
double streaming(double bytes, double passes) {
    if (bytes < 600e3) {
        return 0;
    }
    return passes * bytes / (bytes < 12e6 ? 24 : 6);
}

} // namespace

// Blocks of filters that the sums take: kernels with 16 lanes do a last block of up to 8 in half vectors.
static double blocks_of_sums(int filters, int lanes) {
    return lanes == 16 ? double(ceil_div(filters, lanes / 2)) / 2 : double(ceil_div(filters, lanes));
}

double direct_work(const Shape& s, int lanes) {
    const double blocks = blocks_of_sums(s.oc / s.groups, lanes) * s.groups;
    const double weights = blocks * lanes * (double(s.ic) / s.groups) * s.kh * s.kw * 4;
    const double products = blocks * s.n * s.oh * s.ow * (double(s.ic) / s.groups) * s.kh * s.kw;
    return std::max(products, streaming(weights, s.n));
}

double winograd_work(const Shape& s, int lanes, const Conv2dKernel& kernel) {
    const double blocks_in = double(ceil_div(s.ic, lanes));
    const double blocks_out = double(ceil_div(s.oc, lanes));
    const int points = points_of(kernel);
    const std::int64_t tiles = s.n * tiles_of(s, kernel.tile);
    const std::int64_t run = run_of(s, tiles, points, 1);
    const double products = double(tiles) * points * s.ic * blocks_of_sums(s.oc, lanes);
    const double weights = double(points) * s.ic * blocks_out * lanes * 4;
    // Sums and stores of one block's transforms: 2 stores a point, two cycles each, and the sums beside them.
    const double transforms = double(tiles) * (blocks_in * (points == 16 ? 80 : 220) + blocks_out * (points == 16 ? 60 : 180));
    // A run of few tiles leaves the products bound by the loads of the weights.
    const double narrow = run < 6 ? 6.0 / double(run) : 1.0;
    return std::max(products * narrow, streaming(weights, double(ceil_div(tiles, run)))) * 1.05 + transforms;
}

Winograd::Winograd(const Shape& shape, const Conv2dKernel& kernel, int lanes, const float* w, const float* bias, int threads)
    : shape_(shape), kernel_(kernel), lanes_(lanes), threads_(threads),
      tiles_x_(static_cast<int>(ceil_div(shape.ow, kernel.tile))), tiles_image_(static_cast<int>(tiles_of(shape, kernel.tile))),
      run_(static_cast<int>(run_of(shape, std::int64_t(shape.n) * tiles_image_, points_of(kernel), threads))) {
    pack(w, bias);
    booking_.book(4 * winograd_floats(side_of(kernel), ceil_div(shape.ic, lanes), oc_step, run_, lanes));
}

double Winograd::work_of_image() const { return 2.0 * points_of(kernel_) * tiles_image_ * double(shape_.ic) * shape_.oc; }

void Winograd::pack(const float* w, const float* bias) {
    const Shape& s = shape_;
    const std::int64_t blocks = ceil_div(s.oc, lanes_);
    const std::vector<double> g = weight_transform(kernel_);
    const std::int64_t cells = std::int64_t(kernel_.window) * kernel_.window;
    const std::int64_t point = blocks * s.ic * lanes_;
    weights_ = Tensor<float>::unset(point * points_of(kernel_));
    bias_ = Tensor<float>(blocks * lanes_);
    const int sharing = threads_for(2 * cells * std::int64_t(points_of(kernel_)) * s.ic * s.oc, flops_worth_a_thread, threads_);
    parallel_for(static_cast<int>(blocks), sharing, [&](int block, int) {
        const std::int64_t first = std::int64_t(block) * lanes_;
        const int filters = static_cast<int>(std::min<std::int64_t>(lanes_, s.oc - first));
        Tensor<float> lanes = Tensor<float>::unset(s.ic * cells * lanes_);
        reorder::side_by_side(w + first * s.ic * cells, s.ic * cells, filters, s.ic * cells, lanes_, lanes.data(), lanes_);
        const std::int64_t to = weight_offset(block, blocks, 0, s.ic, lanes_);
        kernel_.winograd_weights({.x = lanes.data(),
                                  .w = weights_.data() + to,
                                  .g = g.data(),
                                  .w_step = weight_offset(block, blocks, 1, s.ic, lanes_) - to,
                                  .w_point = point,
                                  .channels = s.ic,
                                  .side = side_of(kernel_),
                                  .window = kernel_.window});
    });
    if (bias != nullptr) {
        std::copy_n(bias, s.oc, bias_.data());
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
        threads_for(static_cast<std::int64_t>(tiles * points_of(kernel_) * s.ic * 2 * s.oc), flops_worth_a_thread, threads_);
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
                                      .oc_last = s.oc - static_cast<int>((oc_blocks - 1) * lanes_),
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
