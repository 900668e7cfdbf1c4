// Convolution of signs (XNOR-Net: M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi, ECCV 2016).
//
//   y[n, o, i, j] = act( alpha[o] K[n, i, j] S[n, o, i, j] + b[o] )
//   S[n, o, i, j] = sum_{c, p, q} sign(w[o, c, p, q]) sign(x[n, c, i s_h + p - pad_top, j s_w + q - pad_left])
//
// sign(v) = -1 for v < 0, else +1: that of 0, of -0 and of NaN is +1. A pixel outside the image adds 0, neither 1 nor -1.
// alpha[o] = mean |w[o]| (equation 6). K = 1, or where asked the mean of |x| over the channels, averaged over the window with
// zeros outside (equation 11: K = A * k, k = 1 / (kh kw)).
//
// Sums by bits. Let a bit be 1 for the sign -1. A window of V pixels inside the image has V C products, each -1 where the
// bits differ: S = V C - 2 m_inside. The kernels count m over the whole window, and find outside the image bits 0, where
// exactly the 1 bits of w differ:  m = m_inside + sum_{taps outside} ones(w[o, tap]).  So
//
//   S = offset[o] - 2 m,   offset[o] = V C + 2 sum_{taps outside} ones(w[o, tap])
//
// with one row of offsets for each way in which a window can stand over the edge (nine for 3 x 3 with padding 1).
//
// Bits out. Batch normalisation and sign make of S a comparison with an integer. With d = sqrt(variance + epsilon):
//
//   sign( gamma (alpha S + b - mean) / d + beta ) = +1
//     gamma > 0:  S >= t,  t = (mean - b - beta d / gamma) / alpha       <=>   S >= ceil(t)
//     gamma < 0:  S <= t                                                 <=>  -S >= ceil(-t)
//     gamma = 0 or alpha = 0: always or never, as the sign of what is left
//
// (alpha > 0; a negative one turns the comparison round as a negative gamma does), which is one form,  direction S >= at_least.
// fold() does not round t: it evaluates the left side in double precision, where each operation rounds monotonically, and finds
// the first S in [-C kh kw, C kh kw] that meets it by bisection; so the comparison is that very evaluation for every S there is.
//
// Instructions for 512 bits: three with VPOPCNTD (xor, popcount, add), eight of 256 bits with VPSHUFB (four lookups, four
// adds: lookup.inl.hpp) where the usual popcount by lookup takes sixteen. A core that starts four 256-bit instructions a
// cycle, two of them shuffles, compares at most 341 bits a cycle with the first and 256 with the second. Packing x reads 32
// bits for each bit that it makes.
#pragma once

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "fk_binary.h"
#include "ops/activation.hpp"
#include "ops/binary/leaf.hpp"
#include "ops/op.hpp"
#include "ops/window.hpp"

namespace fk::binary {

using Shape = fk_binary_shape;

struct KernelRow {
    Isa isa;
    const char* name;
    BinaryKernel function;
    bool (*eligible)(const Shape&);
    int block; // filters side by side
    BinaryPack pack;
    BinaryLayout layout;
};

struct Params {
    std::array<std::int64_t, 4> x{}; // n, c, ih, iw
    std::array<std::int64_t, 4> w{}; // oc, c, kh, kw
    WindowParams window;             // its size is taken from w
};

Shape infer(const Params& params);
// Operations are those of the float convolution: a comparison of two bits counts two.
Cost cost(const Shape& shape);
const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target);

constexpr int words_of(int channels) { return (channels + 31) / 32; }

// Signs of w [oc, c, kh, kw] (dense) as bits [oc, kh, kw, words], and alpha [oc]. Throws ValueError for NaN and infinity.
void binarize(const std::array<std::int64_t, 4>& dims, const float* w, std::uint32_t* bits, float* alpha);

// What batch normalisation and sign make of the sums: +1 where direction * S >= at_least.
struct Folded {
    std::int32_t at_least, direction;
};
struct BatchNorm {
    double gamma, beta, mean, variance, epsilon;
};
// most: the largest |S|, c * kh * kw. Throws ValueError where a number is not finite or variance + epsilon not positive.
Folded fold(const BatchNorm& norm, double alpha, double bias, std::int32_t most, std::int64_t filter);

// x as floats of any strides with channel_step or pixel_step 1, or as bits [n, ih, iw, words].
struct Input {
    const float* x = nullptr;
    std::int64_t image_step = 0, channel_step = 0, row_step = 0, pixel_step = 0;
    const std::uint32_t* bits = nullptr;
};

// Signs of x as bits [n, ih, iw, words].
void pack_signs(const Shape& shape, const Input& x, std::uint32_t* bits, int threads);

struct Numbers {
    float* y;          // [n, oc, oh, ow], or [n, oh, ow, oc] where channels_last
    const float* bias; // [oc], may be null
    bool channels_last = false;
    bool scale_input = false; // by K; x must be floats
    Activation activation;
};

struct Bits {
    std::uint32_t* bits; // [n, oh, ow, words of oc]
    const std::int32_t* at_least;
    const std::int32_t* direction; // [oc], 1 or -1
};

class Plan {
  public:
    // Chooses the kernel and packs bits [oc, kh, kw, words] and alpha [oc] for it.
    Plan(const Shape& shape, const std::uint32_t* bits, const float* alpha, int threads);

    const Shape& shape() const { return shape_; }
    const KernelRow& kernel() const { return *row_; }

    void run(const Input& x, const Numbers& y) const;
    void run(const Input& x, const Bits& y) const;

  private:
    void pack_words(const std::uint32_t* bits, std::int64_t tap_words);
    void pack_nibbles(const std::uint32_t* bits, std::int64_t tap_words);
    void place_windows(const std::uint32_t* bits);
    Tensor<std::uint32_t> padded(const Input& x) const;
    void place(const std::uint32_t* from, std::int64_t pixels, std::uint32_t* to) const;
    Tensor<float> input_scale(const Input& x) const;
    void run_leaf(const Input& x, BinaryLeaf leaf, std::int64_t y_image, const Tensor<float>& scale) const;

    Shape shape_;
    const KernelRow* row_;
    int threads_;
    int words_; // of a pixel
    int padded_filters_;
    std::int64_t height_, width_; // of an image with the padding that its windows reach
    Tensor<std::uint32_t> weights_;
    Tensor<float> alpha_;
    Tensor<std::int32_t> window_at_, window_case_, offsets_;
};

} // namespace fk::binary
