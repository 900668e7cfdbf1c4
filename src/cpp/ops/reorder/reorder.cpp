#include "ops/reorder/reorder.hpp"

#include <algorithm>
#include <cstring>

#include "base/tensor.hpp"
#include "base/threads.hpp"

namespace fk::reorder {

namespace {
// Pixels handled at once: B rows of 64 floats stay in the first-level cache for every B.
constexpr std::int64_t strip = 64;
} // namespace

void to_blocked(const View<const float>& x, int block, float* y, int threads) {
    const auto [n, c, h, w, unused] = x.dims;
    const auto [sn, sc, sh, sw, unused2] = x.strides;
    const std::int64_t blocks = ceil_div(c, block);
    parallel_for(static_cast<int>(n * blocks), threads,
                 [&, c = c, h = h, w = w, sn = sn, sc = sc, sh = sh, sw = sw](int task, int) {
                     const std::int64_t image = task / blocks;
                     const std::int64_t first = task % blocks * block;
                     float* to = y + task * h * w * block;
                     const int channels = static_cast<int>(std::min<std::int64_t>(block, c - first));
                     for (std::int64_t i = 0; i < h; ++i) {
                         const float* from = x.data + image * sn + first * sc + i * sh;
                         for (std::int64_t j = 0; j < w; ++j, to += block) {
                             for (int k = 0; k < channels; ++k) {
                                 to[k] = from[k * sc + j * sw];
                             }
                             std::fill(to + channels, to + block, 0.0F);
                         }
                     }
                 });
}

void to_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads) {
    const std::int64_t blocks = ceil_div(c, block);
    parallel_for(static_cast<int>(n * blocks), threads, [&](int task, int) {
        const std::int64_t first = task % blocks * block;
        const float* from = x + (task / blocks * c + first) * pixels;
        float* to = y + task * pixels * block;
        const int channels = static_cast<int>(std::min<std::int64_t>(block, c - first));
        for (std::int64_t p0 = 0; p0 < pixels; p0 += strip) {
            const std::int64_t end = std::min(pixels, p0 + strip);
            for (int k = 0; k < block; ++k) {
                for (std::int64_t p = p0; p < end; ++p) {
                    to[p * block + k] = k < channels ? from[k * pixels + p] : 0.0F;
                }
            }
        }
    });
}

void from_blocked(const float* x, std::int64_t n, std::int64_t c, std::int64_t pixels, int block, float* y, int threads) {
    const std::int64_t blocks = ceil_div(c, block);
    parallel_for(static_cast<int>(n * blocks), threads, [&](int task, int) {
        const std::int64_t first = task % blocks * block;
        const float* from = x + task * pixels * block;
        float* to = y + (task / blocks * c + first) * pixels;
        const int channels = static_cast<int>(std::min<std::int64_t>(block, c - first));
        for (std::int64_t p0 = 0; p0 < pixels; p0 += strip) {
            const std::int64_t end = std::min(pixels, p0 + strip);
            for (int k = 0; k < channels; ++k) {
                for (std::int64_t p = p0; p < end; ++p) {
                    to[k * pixels + p] = from[p * block + k];
                }
            }
        }
    });
}

} // namespace fk::reorder
