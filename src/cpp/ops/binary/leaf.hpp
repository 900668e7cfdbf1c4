// What the kernels of binary convolution are given. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

// Signs are bits: 1 for a value below 0, 0 for all others (0, -0 and NaN count as +1). Channel c of a pixel is bit c % 32
// of its word c / 32; bits past the last channel are 0 in x and in w, so that they never differ.

// Packs pixels that stand in a row.
struct BinaryPackLeaf {
    const float* x;
    int64_t channel_step, pixel_step; // in floats; one of the two is 1
    uint32_t* to;                     // [pixels][words]
    int channels, pixels;
};

// How a row of kernels.inc keeps the bits of x and w.
enum class BinaryLayout {
    words,   // 32-bit words of 32 channels
    nibbles, // bytes: of x four channels in the upper half, of w in the lower; a word's are its low nibbles, then its high ones
};

// x is the window's first pixel on: images stand with their padding (bits 0) as [h][w][words], or 8 bytes for each word.
// Weights: [filters / B][kh][kw][words or bytes][B], with B the row's `block`.
//
// With m the bits that differ in a whole window, the sum of signs over the pixels inside the image is  offset - 2 m:
// binary.hpp has the derivation. `offsets` has one row of `padded_filters` for each way that a window can stand over the edge.
struct BinaryLeaf {
    const void* x;
    const void* w;
    const int32_t* window_at;   // for each output pixel: the word where its window begins
    const int32_t* window_case; // for each output pixel: its row of `offsets`
    const int32_t* offsets;
    int64_t x_row;     // words from one row of x to the next
    int kh, row_words; // words of a window's row: kw * words
    int begin, end;    // output pixels
    int filters, padded_filters;

    // Numbers out, where y is not null: act(alpha (offset - 2 m) scale + bias).
    float* y;
    int64_t y_pixel, y_filter; // steps in floats, one of the two is 1
    const float* alpha;        // [padded_filters]
    const float* bias;         // [padded_filters]
    const float* scale;        // for each output pixel, or null
    int activation;
    float slope;

    // Bits out, where y is null: 1 where direction (offset - 2 m) < at_least.
    uint32_t* bits;           // [pixels][out_words]
    const int32_t* at_least;  // [padded_filters]
    const int32_t* direction; // [padded_filters], 1 or -1
    int out_words;
};

using BinaryKernel = void (*)(const BinaryLeaf&);
using BinaryPack = void (*)(const BinaryPackLeaf&);

} // namespace fk
