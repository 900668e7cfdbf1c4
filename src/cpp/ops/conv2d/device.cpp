#include "ops/conv2d/device.hpp"

#include <algorithm>

#include "base/isa.hpp"
#include "ops/dims.hpp"

namespace fk::conv2d {

namespace {

constexpr int lanes = 16;

// In multiply-adds of vectors of 16 floats, as the work of the processor's rows. The direct kernel reaches 0.9 of a core's peak.
double direct(const Shape& s) { return 1.1 * direct_work(s, lanes); }

// Measured on a CPU device (Intel's runtime, Zen 4, two cores), where a vector of 16 sums takes a core 0.27 ns, in runs of tiles
// (kernels/opencl/conv2d_winograd_run.cl): a tile's inputs and outputs take 6.7 ns for each channel and filter with m = 4 and 1.9
// ns with m = 2; to begin with, 5 us. Transformed weights come from memory at 6 bytes a cycle where they do not stay in a cache.
double winograd(const Shape& s, int tile) {
    const double points = double(tile + 2) * (tile + 2);
    const double tiles = double(s.n) * double(ceil_div(s.oh, tile)) * double(ceil_div(s.ow, tile));
    const double products = 1.1 * tiles * points * s.ic * s.oc / lanes;
    const double weights = 4 * points * s.ic * s.oc / 6;
    const double transforms = tiles * (tile == 4 ? 25.0 : 7.0) * (double(s.ic) + s.oc);
    return std::max(products, weights) + transforms + 20e3;
}

} // namespace

bool device_winograd_pays(const Shape& shape, int tile) {
    if (!current_choice().kernel.empty()) {
        return true;
    }
    const double work = winograd(shape, tile);
    return work < direct(shape) && work <= winograd(shape, 2) && work <= winograd(shape, 4);
}

} // namespace fk::conv2d
