// An owning buffer, aligned to a cache line (64 bytes), which is also the width of the widest vector.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "base/error.hpp"
#include "base/memory.hpp"

namespace fk {

constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }

template <class T> class Tensor {
  public:
    Tensor() = default;
    // Zero-filled storage for `size` elements.
    explicit Tensor(std::int64_t size) : Tensor(size, &allocate_zeroed) {}
    // Storage that holds anything: for what is written before it is read.
    static Tensor unset(std::int64_t size) { return Tensor(size, &allocate); }

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::int64_t size() const { return size_; }
    T& operator[](std::int64_t i) { return data_.get()[i]; }
    const T& operator[](std::int64_t i) const { return data_.get()[i]; }

  private:
    Tensor(std::int64_t size, void* (*get)(std::size_t)) : size_(size) {
        if (size < 0 || size > std::numeric_limits<std::int64_t>::max() / 64) {
            throw ValueError(message("cannot allocate ", size, " elements"));
        }
        const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T) + 1;
        data_ = {static_cast<T*>(get(bytes)), Free{bytes}};
    }

    struct Free {
        std::size_t bytes = 0;
        void operator()(T* p) const { release(p, bytes); }
    };
    std::unique_ptr<T, Free> data_;
    std::int64_t size_ = 0;
};

} // namespace fk
