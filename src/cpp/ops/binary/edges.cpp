#include "ops/binary/edges.hpp"

#include <algorithm>

namespace fk::binary {

Edges edges(int outputs, int stride, int size, int before, int in) {
    Edges result;
    result.of_output.reserve(static_cast<std::size_t>(outputs));
    for (std::int64_t i = 0; i < outputs; ++i) {
        const std::int64_t first = i * stride - before;
        const auto begin = static_cast<int>(std::clamp<std::int64_t>(-first, 0, size));
        const auto end = static_cast<int>(std::clamp<std::int64_t>(in - first, begin, size));
        const Span span{begin, end};
        // Neighbours mostly share a span, and a span that was left does not come back.
        if (result.spans.empty() || result.spans.back() != span) {
            result.spans.push_back(span);
        }
        result.of_output.push_back(static_cast<int>(result.spans.size()) - 1);
    }
    return result;
}

Tensor<std::int32_t> edge_offsets(const Edges& rows, const Edges& columns, const FilterDims& d, const std::uint32_t* bits) {
    const int words = words_of(d.c);
    Tensor<std::int32_t> offsets(std::int64_t(rows.spans.size()) * std::int64_t(columns.spans.size()) * d.padded);
    // ones[p][q]: bits of the filter in the taps above p and left of q.
    const std::size_t stride = static_cast<std::size_t>(d.kw) + 1;
    std::vector<std::int32_t> ones((static_cast<std::size_t>(d.kh) + 1) * stride);
    const auto above_left = [&](int p, int q) -> std::int32_t& {
        return ones[static_cast<std::size_t>(p) * stride + static_cast<std::size_t>(q)];
    };
    for (int o = 0; o < d.oc; ++o) {
        for (int p = 0; p < d.kh; ++p) {
            for (int q = 0; q < d.kw; ++q) {
                std::int32_t tap = 0;
                for (int word = 0; word < words; ++word) {
                    tap += __builtin_popcount(*bits++);
                }
                above_left(p + 1, q + 1) = tap + above_left(p, q + 1) + above_left(p + 1, q) - above_left(p, q);
            }
        }
        std::int32_t* to = offsets.data() + o;
        for (const Span& row : rows.spans) {
            for (const Span& column : columns.spans) {
                const std::int32_t inside = above_left(row.end, column.end) - above_left(row.begin, column.end) -
                                            above_left(row.end, column.begin) + above_left(row.begin, column.begin);
                const std::int32_t outside = above_left(d.kh, d.kw) - inside;
                *to = (row.end - row.begin) * (column.end - column.begin) * d.c + 2 * outside;
                to += d.padded;
            }
        }
    }
    return offsets;
}

void average_windows(const Shape& s, const float* sums, float* to) {
    const double terms = double(s.c) * s.kh * s.kw;
    for (std::int64_t i = 0; i < s.oh; ++i) {
        const std::int64_t top = i * s.stride_h - s.pad_top;
        for (std::int64_t j = 0; j < s.ow; ++j, ++to) {
            const std::int64_t left = j * s.stride_w - s.pad_left;
            double sum = 0;
            for (std::int64_t p = std::max<std::int64_t>(top, 0); p < std::min<std::int64_t>(top + s.kh, s.ih); ++p) {
                for (std::int64_t q = std::max<std::int64_t>(left, 0); q < std::min<std::int64_t>(left + s.kw, s.iw); ++q) {
                    sum += sums[p * s.iw + q];
                }
            }
            *to = static_cast<float>(sum / terms);
        }
    }
}

} // namespace fk::binary
