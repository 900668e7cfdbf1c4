// How the windows of a binary convolution stand over the edges of the image, and what that adds to their sums.
#pragma once

#include <vector>

#include "ops/binary/binary.hpp"

namespace fk::binary {

// Bits of a pixel's word that are channels.
constexpr std::uint32_t channel_mask(int channels, int word) {
    const int left = channels - 32 * word;
    return left >= 32 ? ~0U : (1U << left) - 1U;
}

// Taps [begin, end) of a window that lie inside the image, along one axis.
struct Span {
    int begin, end;
    bool operator==(const Span&) const = default;
};

struct Edges {
    std::vector<Span> spans;    // each once
    std::vector<int> of_output; // for each output its span
};

Edges edges(int outputs, int stride, int size, int before, int in);

struct FilterDims {
    int oc, padded, c, kh, kw;
};

// offset[span of rows][span of columns][padded filters] of binary.hpp.
Tensor<std::int32_t> edge_offsets(const Edges& rows, const Edges& columns, const FilterDims& dims, const std::uint32_t* bits);

// K: sums of magnitudes over the channels (one plane) -> their mean, averaged over each window.
void average_windows(const Shape& s, const float* sums, float* to);

} // namespace fk::binary
