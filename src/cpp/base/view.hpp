// A non-owning strided view of up to five dimensions; strides are counted in elements.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace fk {

inline constexpr int max_rank = 5;

template <class T> struct View {
    T* data = nullptr;
    int rank = 0;
    std::array<std::int64_t, max_rank> dims{};
    std::array<std::int64_t, max_rank> strides{};

    std::int64_t size() const {
        std::int64_t n = 1;
        for (int d = 0; d < rank; ++d) {
            n *= dims[static_cast<std::size_t>(d)];
        }
        return n;
    }

    bool contiguous() const { // as NumPy has it: an empty array always is
        if (size() == 0) {
            return true;
        }
        std::int64_t expected = 1;
        for (int d = rank - 1; d >= 0; --d) {
            const auto i = static_cast<std::size_t>(d);
            if (dims[i] != 1 && strides[i] != expected) {
                return false;
            }
            expected *= dims[i];
        }
        return true;
    }

    std::string shape() const {
        std::string text = "[";
        for (int d = 0; d < rank; ++d) {
            text += (d != 0 ? ", " : "") + std::to_string(dims[static_cast<std::size_t>(d)]);
        }
        return text + "]";
    }
};

// Copies any view of rank <= 4 into dense C order.
template <class T> void copy_dense(const View<const T>& from, T* to) {
    if (from.contiguous()) {
        std::copy(from.data, from.data + from.size(), to);
        return;
    }
    std::array<std::int64_t, 4> n{1, 1, 1, 1};
    std::array<std::int64_t, 4> step{};
    for (int d = 0; d < from.rank; ++d) {
        const auto target = static_cast<std::size_t>(4 - from.rank + d);
        n[target] = from.dims[static_cast<std::size_t>(d)];
        step[target] = from.strides[static_cast<std::size_t>(d)];
    }
    for (std::int64_t i = 0; i < n[0]; ++i) {
        for (std::int64_t j = 0; j < n[1]; ++j) {
            for (std::int64_t k = 0; k < n[2]; ++k) {
                const T* row = from.data + i * step[0] + j * step[1] + k * step[2];
                for (std::int64_t l = 0; l < n[3]; ++l) {
                    *to++ = row[l * step[3]];
                }
            }
        }
    }
}

} // namespace fk
