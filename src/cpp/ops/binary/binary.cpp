#include "ops/binary/binary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/binary/edges.hpp"
#include "ops/dims.hpp"
#include "ops/split.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block, pack, layout)                                                            \
    namespace isa {                                                                                                              \
    void function(const BinaryLeaf&);                                                                                            \
    void pack(const BinaryPackLeaf&);                                                                                            \
    }
#include "ops/binary/kernels.inc"
#undef FK_KERNEL

namespace binary {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block, pack, layout)                                                            \
    {Isa::isa, name, &isa::function, &eligible, block, &isa::pack, BinaryLayout::layout},
#include "ops/binary/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("binary", rows);

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block, pack, layout)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/binary/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("binary", device_rows);

// Sums of signs are 32-bit integers, and twice their size must be one, too.
constexpr std::int64_t most_terms = 1 << 29;
// Output pixels of a task are whole lines of a plane.
constexpr int unit_pixels = 16;
// A thread's worth of comparisons: some twenty in the time of a floating-point operation.
constexpr std::int64_t operations_worth_a_thread = 20 * flops_worth_a_thread;
constexpr std::uint32_t upper_nibbles = 0xf0f0f0f0U;
} // namespace

Shape infer(const Params& p) {
    const auto& [n, c, ih, iw] = p.x;
    const auto& [oc, wc, kh, kw] = p.w;
    require_values(p.x);
    require(oc >= 1, "filters must hold at least one filter, their shape is [", oc, ", ", wc, ", ", kh, ", ", kw, "]");
    require(wc == c, "filters have ", wc, " input channels, x has ", c);
    WindowParams window = p.window;
    window.size = {kh, kw};
    Shape s{};
    set_window(s, window, ih, iw);
    s.n = checked_int(n, "batch");
    s.c = checked_int(c, "input channels");
    s.oc = checked_int(oc, "filters");
    require(c <= most_terms && kh * kw <= most_terms / c, "a filter of ", c, " x ", kh, " x ", kw, " signs is too long, at most ",
            most_terms, " are summed");
    const double padded = ((s.oh - 1.0) * s.stride_h + kh) * ((s.ow - 1.0) * s.stride_w + kw) * words_of(s.c) * 8;
    require(padded <= std::numeric_limits<int>::max() && double(s.oh) * s.ow <= std::numeric_limits<int>::max(),
            "x with its padding takes ", padded, " bytes of bits an image, at most ", std::numeric_limits<int>::max(),
            " are served");
    return s;
}

Cost cost(const Shape& s) {
    const double outputs = double(s.n) * s.oc * s.oh * s.ow;
    return {.flops = 2 * outputs * s.c * s.kh * s.kw,
            .bytes_read = 4 * (double(s.n) * s.c * s.ih * s.iw + double(s.oc) * s.kh * s.kw * words_of(s.c) + 2.0 * s.oc),
            .bytes_written = 4 * outputs};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& shape, std::string_view target) {
    return choose_device_row("binary", device_rows, shape, target);
}

namespace {
// Floats to bits: of each image in one go where its rows follow one another, else row by row.
void pack_with(const KernelRow& row, const Shape& s, const Input& x, std::uint32_t* bits, int threads) {
    const bool in_one = x.row_step == s.iw * x.pixel_step || s.ih == 1;
    const std::int64_t pixels = std::int64_t(s.ih) * s.iw;
    const std::int64_t unit = in_one ? unit_pixels : s.iw;
    const int units = static_cast<int>(ceil_div(pixels, unit));
    const auto work = static_cast<std::int64_t>(std::min(4.0 * s.n * s.c * double(pixels), 1e18));
    const int used = threads_for(work, bytes_worth_a_thread, threads);
    const auto pack = [&](std::int64_t image, std::int64_t from, std::int64_t first, std::int64_t last) {
        row.pack({.x = x.x + image * x.image_step + from,
                  .channel_step = x.channel_step,
                  .pixel_step = x.pixel_step,
                  .to = bits + (image * pixels + first) * words_of(s.c),
                  .channels = s.c,
                  .pixels = static_cast<int>(last - first)});
    };
    parallel_bands(s.n, units, bands_for(s.n, units, used), used, [&](std::int64_t image, int begin, int end, int) {
        if (in_one) {
            pack(image, begin * unit * x.pixel_step, begin * unit, std::min(end * unit, pixels));
            return;
        }
        for (std::int64_t i = begin; i < end; ++i) {
            pack(image, i * x.row_step, i * unit, (i + 1) * unit);
        }
    });
}
} // namespace

void pack_signs(const Shape& s, const Input& x, std::uint32_t* bits, int threads) {
    pack_with(choose_row("binary", rows, s), s, x, bits, threads);
}

Plan::Plan(const Shape& shape, const std::uint32_t* bits, const float* alpha, int threads)
    : shape_(shape), row_(&choose_row("binary", rows, shape)), threads_(threads), words_(words_of(shape.c)),
      padded_filters_(static_cast<int>(round_up(shape.oc, 64))), height_(std::int64_t(shape.oh - 1) * shape.stride_h + shape.kh),
      width_(std::int64_t(shape.ow - 1) * shape.stride_w + shape.kw) {
    // Bits past the last channel count for nothing, whoever set them.
    const std::int64_t tap_words = std::int64_t(shape.kh) * shape.kw * words_;
    Tensor<std::uint32_t> clean(shape.oc * tap_words);
    for (std::int64_t i = 0; i < clean.size(); ++i) {
        clean[i] = bits[i] & channel_mask(shape.c, static_cast<int>(i % words_));
    }
    if (row_->layout == BinaryLayout::words) {
        pack_words(clean.data(), tap_words);
    } else {
        pack_nibbles(clean.data(), tap_words);
    }
    alpha_ = Tensor<float>(padded_filters_);
    std::copy(alpha, alpha + shape.oc, alpha_.data());
    place_windows(clean.data());
}

void Plan::pack_words(const std::uint32_t* bits, std::int64_t tap_words) {
    const int block = row_->block;
    weights_ = Tensor<std::uint32_t>(round_up(shape_.oc, block) * tap_words);
    for (std::int64_t o = 0; o < shape_.oc; ++o) {
        std::uint32_t* to = weights_.data() + o / block * block * tap_words + o % block;
        for (std::int64_t k = 0; k < tap_words; ++k) {
            to[k * block] = bits[o * tap_words + k];
        }
    }
}

void Plan::pack_nibbles(const std::uint32_t* bits, std::int64_t tap_words) {
    const int block = row_->block;
    weights_ = Tensor<std::uint32_t>(round_up(shape_.oc, block) * tap_words * 2); // 8 bytes a word
    auto* bytes = reinterpret_cast<unsigned char*>(weights_.data());
    for (std::int64_t o = 0; o < shape_.oc; ++o) {
        unsigned char* to = bytes + o / block * block * tap_words * 8 + o % block;
        for (std::int64_t k = 0; k < tap_words; ++k) {
            for (int half = 0; half < 2; ++half) {
                for (int byte = 0; byte < 4; ++byte, to += block) {
                    *to = static_cast<unsigned char>(bits[o * tap_words + k] >> (8 * byte + 4 * half) & 15U);
                }
            }
        }
    }
}

void Plan::place_windows(const std::uint32_t* bits) {
    const Shape& s = shape_;
    const Edges rows_of_window = edges(s.oh, s.stride_h, s.kh, s.pad_top, s.ih);
    const Edges columns_of_window = edges(s.ow, s.stride_w, s.kw, s.pad_left, s.iw);
    const std::int64_t across = std::int64_t(columns_of_window.spans.size());
    window_at_ = Tensor<std::int32_t>(std::int64_t(s.oh) * s.ow);
    window_case_ = Tensor<std::int32_t>(window_at_.size());
    for (std::int64_t i = 0; i < s.oh; ++i) {
        for (std::int64_t j = 0; j < s.ow; ++j) {
            window_at_[i * s.ow + j] = static_cast<std::int32_t>((i * s.stride_h * width_ + j * s.stride_w) * words_);
            window_case_[i * s.ow + j] =
                static_cast<std::int32_t>(rows_of_window.of_output[static_cast<std::size_t>(i)] * across +
                                          columns_of_window.of_output[static_cast<std::size_t>(j)]);
        }
    }
    offsets_ = edge_offsets(rows_of_window, columns_of_window, {s.oc, padded_filters_, s.c, s.kh, s.kw}, bits);
}

Tensor<std::uint32_t> Plan::padded(const Input& x) const {
    const Shape& s = shape_;
    Tensor<std::uint32_t> packed(x.bits == nullptr ? std::int64_t(s.n) * s.ih * s.iw * words_ : 0);
    if (x.bits == nullptr) {
        pack_with(*row_, s, x, packed.data(), threads_);
    }
    const std::uint32_t* from = x.bits == nullptr ? packed.data() : x.bits;
    const std::int64_t units = row_->layout == BinaryLayout::nibbles ? 2 : 1; // 8 bytes for each word, or 4
    Tensor<std::uint32_t> to(s.n * height_ * width_ * words_ * units);
    const std::int64_t pixels = std::min<std::int64_t>(s.iw, width_ - s.pad_left);
    const std::int64_t rows_inside = std::min<std::int64_t>(s.ih, height_ - s.pad_top);
    for (std::int64_t image = 0; image < s.n && pixels > 0; ++image) {
        for (std::int64_t i = 0; i < rows_inside; ++i) {
            const std::uint32_t* row = from + (image * s.ih + i) * s.iw * words_;
            place(row, pixels, to.data() + (((image * height_ + s.pad_top + i) * width_) + s.pad_left) * words_ * units);
        }
    }
    return to;
}

// Pixels as the kernel reads them, without what a caller's words may hold past the last channel.
void Plan::place(const std::uint32_t* from, std::int64_t pixels, std::uint32_t* to) const {
    const std::uint32_t last = channel_mask(shape_.c, words_ - 1);
    const bool nibbles = row_->layout == BinaryLayout::nibbles;
    for (std::int64_t i = 0; i < pixels; ++i) {
        for (int word = 0; word < words_; ++word) {
            const std::uint32_t bits = *from++ & (word == words_ - 1 ? last : ~0U);
            if (nibbles) {
                *to++ = bits << 4 & upper_nibbles;
                *to++ = bits & upper_nibbles;
            } else {
                *to++ = bits;
            }
        }
    }
}

Tensor<float> Plan::input_scale(const Input& x) const {
    const Shape& s = shape_;
    Tensor<float> scale(std::int64_t(s.n) * s.oh * s.ow);
    Tensor<float> mean(std::int64_t(s.n) * s.ih * s.iw); // A of XNOR-Net, one plane for each image
    parallel_for(s.n, threads_, [&](int image, int) {
        float* a = mean.data() + std::int64_t(image) * s.ih * s.iw;
        for (int channel = 0; channel < s.c; ++channel) {
            for (int i = 0; i < s.ih; ++i) {
                const float* from = x.x + image * x.image_step + channel * x.channel_step + i * x.row_step;
                for (int j = 0; j < s.iw; ++j) {
                    a[std::int64_t(i) * s.iw + j] += std::abs(from[j * x.pixel_step]);
                }
            }
        }
        average_windows(s, a, scale.data() + std::int64_t(image) * s.oh * s.ow);
    });
    return scale;
}

void Plan::run_leaf(const Input& x, BinaryLeaf leaf, std::int64_t y_image, const Tensor<float>& scale) const {
    const Shape& s = shape_;
    const Tensor<std::uint32_t> image_bits = padded(x);
    const std::int64_t image_words = image_bits.size() / s.n;
    const std::int64_t pixels = std::int64_t(s.oh) * s.ow;
    leaf.w = weights_.data();
    leaf.window_at = window_at_.data();
    leaf.window_case = window_case_.data();
    leaf.offsets = offsets_.data();
    leaf.x_row = width_ * words_;
    leaf.kh = s.kh;
    leaf.row_words = s.kw * words_;
    leaf.filters = s.oc;
    leaf.padded_filters = padded_filters_;
    leaf.alpha = alpha_.data();
    const auto work = static_cast<std::int64_t>(std::min(cost(s).flops, 1e18));
    const int threads = threads_for(work, operations_worth_a_thread, threads_);
    const int units = static_cast<int>(ceil_div(pixels, unit_pixels));
    parallel_bands(s.n, units, bands_for(s.n, units, threads), threads, [&](std::int64_t image, int begin, int end, int) {
        BinaryLeaf part = leaf;
        part.x = image_bits.data() + image * image_words;
        part.scale = scale.data() != nullptr ? scale.data() + image * pixels : nullptr;
        part.begin = begin * unit_pixels;
        part.end = static_cast<int>(std::min<std::int64_t>(std::int64_t(end) * unit_pixels, pixels));
        part.y = leaf.y != nullptr ? leaf.y + image * y_image : nullptr;
        part.bits = leaf.bits != nullptr ? leaf.bits + image * y_image : nullptr;
        row_->function(part);
    });
}

void Plan::run(const Input& x, const Numbers& y) const {
    const Shape& s = shape_;
    const std::int64_t pixels = std::int64_t(s.oh) * s.ow;
    Tensor<float> bias(padded_filters_);
    if (y.bias != nullptr) {
        std::copy(y.bias, y.bias + s.oc, bias.data());
    }
    BinaryLeaf leaf{};
    leaf.y = y.y;
    leaf.y_pixel = y.channels_last ? s.oc : 1;
    leaf.y_filter = y.channels_last ? 1 : pixels;
    leaf.bias = bias.data();
    leaf.activation = y.activation.kind;
    leaf.slope = y.activation.alpha;
    run_leaf(x, leaf, pixels * s.oc, y.scale_input ? input_scale(x) : Tensor<float>());
}

void Plan::run(const Input& x, const Bits& y) const {
    const Shape& s = shape_;
    Tensor<std::int32_t> at_least(padded_filters_);
    Tensor<std::int32_t> direction(padded_filters_);
    std::fill_n(at_least.data(), padded_filters_, std::numeric_limits<std::int32_t>::min()); // bits past the last filter: 0
    std::copy(y.at_least, y.at_least + s.oc, at_least.data());
    std::copy(y.direction, y.direction + s.oc, direction.data());
    BinaryLeaf leaf{};
    leaf.bits = y.bits;
    leaf.at_least = at_least.data();
    leaf.direction = direction.data();
    leaf.out_words = words_of(s.oc);
    run_leaf(x, leaf, std::int64_t(s.oh) * s.ow * leaf.out_words, Tensor<float>());
}

} // namespace binary
} // namespace fk
