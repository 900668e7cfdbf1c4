// Winograd's minimal filtering, F(m x m, k x k) (Lavin and Gray 2016, sections 4.1 to 4.3):
//
//   Y = A^T [ sum_c (G g_c G^T) . (B^T d_c B) ] A      d: side x side inputs, side = m + k - 1, g: k x k, Y: m x m
//
// at the points 0, 1, -1 (side 4) and 0, 1, -1, 2, -2 (side 6), and infinity; B depends on the points alone. An output takes
// 4 (m = 2, k = 3) or 2.25 (m = 4, k = 3) multiplications a channel instead of 9, and 9 (m = 2, k = 5) instead of 25; the
// products over c are side^2 matrix products, done by the direct kernel's tiles. Physics (64 to 64 channels, m = 4, a tile of 16
// outputs, in vectors of 16): 9,216 FMA of products, 4 x 144 sums and 4 x 72 stores for the inputs, 4 x 110 and 4 x 40 for the
// outputs: 15 % on top of a quarter of the work.
//
// Error: |y - exact| <= u (ic + k) A^T [ sum_c (|G| |g| |G|^T) . (|B|^T |d| |B|) ] A in magnitudes, k counting the
// roundings of the three transforms (tests/tolerance.py). Values that are not finite spread over their tile.
#pragma once

#include "ops/conv2d/direct.inl.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

// B^T d for one line.
FK_INLINE void transform_input(const vf (&d)[4], vf (&t)[4]) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
}
FK_INLINE void transform_input(const vf (&d)[6], vf (&t)[6]) {
    const vf four = splat(4.0F);
    const vf even = fnma(four, d[2], d[4]);
    const vf odd = fnma(four, d[1], d[3]);
    const vf near = d[4] - d[2];
    const vf far = d[3] - d[1];
    t[0] = fma(four, d[0], fnma(splat(5.0F), d[2], d[4]));
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = fma(splat(2.0F), far, near);
    t[4] = fnma(splat(2.0F), far, near);
    t[5] = fma(four, d[1], fnma(splat(5.0F), d[3], d[5]));
}

// A^T m for one line.
FK_INLINE void transform_output(const vf (&m)[4], vf (&y)[2]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
}
FK_INLINE void transform_output(const vf (&m)[6], vf (&y)[2]) {
    y[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    y[1] = fma(splat(2.0F), m[3] - m[4], m[1] - m[2]) + m[5];
}
FK_INLINE void transform_output(const vf (&m)[6], vf (&y)[4]) {
    const vf s1 = m[1] + m[2];
    const vf d1 = m[1] - m[2];
    const vf s2 = m[3] + m[4];
    const vf d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = fma(splat(2.0F), d2, d1);
    y[2] = fma(splat(4.0F), s2, s1);
    y[3] = fma(splat(8.0F), d2, d1) + m[5];
}

struct TilePlace {
    int64_t image, row, column; // of the first output
};
FK_INLINE TilePlace place_of(const WinogradLeaf& a, int m, int tile) {
    const int in_image = tile % a.tiles_image;
    return {tile / a.tiles_image, static_cast<int64_t>(in_image / a.tiles_x) * m, static_cast<int64_t>(in_image % a.tiles_x) * m};
}

alignas(64) constexpr float outside[VL] = {};

// The inputs of one tile, all channel blocks; point p of block b goes to v[p * point + b * tiles * VL].
template <int M, int K> void take_tile(const WinogradLeaf& a, int tile, int tiles, int64_t point, float* v) {
    constexpr int side = M + K - 1;
    const TilePlace at = place_of(a, M, tile);
    const int64_t top = at.row - a.pad_top;
    const int64_t left = at.column - a.pad_left;
    const float* x = a.x + at.image * a.x_image;
    for (int c = 0; c < a.ic; c += VL, x += a.x_block, v += static_cast<int64_t>(tiles) * VL) {
        // A row outside the image is a vector of zeros that the columns do not step along.
        const float* rows[side];
        int64_t step[side];
        FK_UNROLL
        for (int r = 0; r < side; ++r) {
            const bool in = top + r >= 0 && top + r < a.ih;
            rows[r] = in ? x + ((top + r) * a.iw + left) * VL : outside;
            step[r] = in ? VL : 0;
        }
        vf half[side][side];
        FK_UNROLL
        for (int q = 0; q < side; ++q) {
            vf d[side];
            vf t[side];
            const bool in = left + q >= 0 && left + q < a.iw;
            FK_UNROLL
            for (int r = 0; r < side; ++r) {
                d[r] = load(in ? rows[r] + q * step[r] : outside);
            }
            transform_input(d, t);
            FK_UNROLL
            for (int r = 0; r < side; ++r) {
                half[r][q] = t[r];
            }
        }
        FK_UNROLL
        for (int r = 0; r < side; ++r) {
            vf t[side];
            transform_input(half[r], t);
            FK_UNROLL
            for (int q = 0; q < side; ++q) {
                store(v + (r * side + q) * point, t[q]);
            }
        }
    }
}

// Maxima of 2 x 2 outputs of a tile; an odd last row or column is left out.
template <int M, int SIDE>
FK_INLINE void give_pooled(const WinogradLeaf& a, const TilePlace& at, int block, vf bias, const vf (&half)[M][SIDE]) {
    const int64_t width = a.ow / 2;
    float* to = a.y + at.image * a.y_image + block * a.y_block + (at.row / 2 * width + at.column / 2) * VL;
    FK_UNROLL
    for (int r = 0; r < M; r += 2) {
        vf upper[M];
        vf lower[M];
        transform_output(half[r], upper);
        transform_output(half[r + 1], lower);
        FK_UNROLL
        for (int q = 0; q < M; q += 2) {
            if (at.row + r + 1 < a.oh && at.column + q + 1 < a.ow) {
                vf v[4] = {upper[q] + bias, upper[q + 1] + bias, lower[q] + bias, lower[q + 1] + bias};
                FK_UNROLL
                for (int i = 0; i < 4; ++i) {
                    v[i] = activate(v[i], a.activation, a.alpha);
                }
                store(to + (r / 2 * width + q / 2) * VL, max_or_nan(max_or_nan(v[0], v[1]), max_or_nan(v[2], v[3])));
            }
        }
    }
}

// The outputs of one tile and one block from its products; what lies outside the image is dropped.
template <int M, int K> void give_tile(const WinogradLeaf& a, int tile, int block, int64_t point, const float* products) {
    constexpr int side = M + K - 1;
    vf half[M][side];
    FK_UNROLL
    for (int q = 0; q < side; ++q) {
        vf m[side];
        vf t[M];
        FK_UNROLL
        for (int r = 0; r < side; ++r) {
            m[r] = load(products + (r * side + q) * point);
        }
        transform_output(m, t);
        FK_UNROLL
        for (int r = 0; r < M; ++r) {
            half[r][q] = t[r];
        }
    }
    const TilePlace at = place_of(a, M, tile);
    const vf bias = load(a.bias + static_cast<int64_t>(block) * VL);
    if (a.pooled) {
        give_pooled<M, side>(a, at, block, bias, half);
        return;
    }
    const int64_t first = block * a.y_block + (at.row * a.ow + at.column) * VL;
    float* y_image = a.y + at.image * a.y_image;
    const float* residual = a.residual != nullptr ? a.residual + at.image * a.residual_image : nullptr;
    const int64_t columns = a.ow - at.column;
    FK_UNROLL
    for (int r = 0; r < M; ++r) {
        if (at.row + r < a.oh) {
            vf y[M];
            transform_output(half[r], y);
            FK_UNROLL
            for (int q = 0; q < M; ++q) {
                if (q < columns) {
                    const int64_t to = first + (r * static_cast<int64_t>(a.ow) + q) * VL;
                    const vf sum = residual != nullptr ? y[q] + bias + load(residual + to) : y[q] + bias;
                    store(y_image + to, activate(sum, a.activation, a.alpha));
                }
            }
        }
    }
}

alignas(64) constexpr float no_bias[8 * VL] = {};

template <int M, int K> void winograd(const WinogradLeaf& a) {
    constexpr int points = (M + K - 1) * (M + K - 1);
    const int64_t run = static_cast<int64_t>(a.count) * VL;
    const int64_t v_point = winograd_point((a.ic + VL - 1) / VL, a.count, VL);
    const int64_t m_point = winograd_point(a.oc_step, a.count, VL);
    float* v = a.scratch;
    float* products = v + points * v_point;
    for (int t = 0; t < a.count; ++t) {
        take_tile<M, K>(a, a.first + t, a.count, v_point, v + static_cast<int64_t>(t) * VL);
    }
    const int64_t w_block = static_cast<int64_t>(a.ic) * VL;
    Conv2dLeaf product{};
    product.x_block = run;
    product.channel_step = 1;
    product.pixel_step = VL;
    product.y_block = run;
    product.rows = product.kh = product.kw = product.stride_h = product.stride_w = product.dilation_h = product.dilation_w = 1;
    product.ow = a.count;
    product.ic = a.ic;
    for (int block = 0; block < a.oc_blocks; block += a.oc_step) {
        product.oc_blocks = a.oc_blocks - block < a.oc_step ? a.oc_blocks - block : a.oc_step;
        product.oc_last = block + product.oc_blocks == a.oc_blocks ? a.oc_last : VL;
        for (int p = 0; p < points; ++p) {
            product.x = v + p * v_point;
            product.w = a.w + (static_cast<int64_t>(p) * a.oc_blocks + block) * w_block;
            product.y = products + p * m_point;
            product.bias = no_bias;
            all_blocks<blocked_1>(product);
        }
        for (int i = 0; i < product.oc_blocks; ++i) {
            for (int t = 0; t < a.count; ++t) {
                give_tile<M, K>(a, a.first + t, block + i, m_point, products + i * run + static_cast<int64_t>(t) * VL);
            }
        }
    }
}

// Sums in double precision: a plan's weights are rounded once.
template <int K> void transform_weights(const WinogradWeightsLeaf& a) {
    constexpr int lanes = Wide<double>::width;
    for (int64_t at = 0; at < static_cast<int64_t>(a.channels) * VL; at += lanes) {
        const float* x = a.x + at / VL * (K * K * VL) + at % VL;
        float* w = a.w + at / VL * a.w_step + at % VL;
        for (int r = 0; r < a.side; ++r) {
            vd half[K];
            FK_UNROLL
            for (int q = 0; q < K; ++q) {
                half[q] = splat(0.0);
                FK_UNROLL
                for (int p = 0; p < K; ++p) {
                    half[q] = fma(splat(a.g[r * K + p]), load_wide(x + (p * K + q) * VL), half[q]);
                }
            }
            for (int s = 0; s < a.side; ++s, w += a.w_point) {
                vd sum = splat(0.0);
                FK_UNROLL
                for (int q = 0; q < K; ++q) {
                    sum = fma(splat(a.g[s * K + q]), half[q], sum);
                }
                store_narrow(w, sum);
            }
        }
    }
}

} // namespace

void winograd_weights(const WinogradWeightsLeaf& a);
void winograd_weights(const WinogradWeightsLeaf& a) { a.window == 3 ? transform_weights<3>(a) : transform_weights<5>(a); }
void conv2d_winograd2(const WinogradLeaf& leaf);
void conv2d_winograd2(const WinogradLeaf& leaf) { winograd<2, 3>(leaf); }
void conv2d_winograd4(const WinogradLeaf& leaf);
void conv2d_winograd4(const WinogradLeaf& leaf) { winograd<4, 3>(leaf); }
void conv2d_winograd2_5x5(const WinogradLeaf& leaf);
void conv2d_winograd2_5x5(const WinogradLeaf& leaf) { winograd<2, 5>(leaf); }

} // namespace fk::FK_ISA
