// An owning buffer, aligned to a cache line (64 bytes), which is also the width of the widest vector.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "base/error.hpp"

namespace fk {

inline constexpr std::size_t alignment = 64;

constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }

template <class T> class Tensor {
  public:
    Tensor() = default;
    // Zero-filled storage for `size` elements.
    explicit Tensor(std::int64_t size) : size_(size) {
        if (size < 0 || size > std::numeric_limits<std::int64_t>::max() / 64) {
            throw ValueError(message("cannot allocate ", size, " elements"));
        }
        const auto bytes = static_cast<std::size_t>(round_up(size * static_cast<std::int64_t>(sizeof(T)) + 1, alignment));
        data_.reset(static_cast<T*>(::operator new(bytes, std::align_val_t(alignment))));
        std::memset(static_cast<void*>(data_.get()), 0, bytes);
    }

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::int64_t size() const { return size_; }
    T& operator[](std::int64_t i) { return data_.get()[i]; }
    const T& operator[](std::int64_t i) const { return data_.get()[i]; }

  private:
    struct Free {
        void operator()(T* p) const { ::operator delete(static_cast<void*>(p), std::align_val_t(alignment)); }
    };
    std::unique_ptr<T, Free> data_;
    std::int64_t size_ = 0;
};

} // namespace fk
