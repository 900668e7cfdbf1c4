// Scratch memory is booked while a plan is made and handed out while it runs: nothing allocates in between.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/tensor.hpp"

namespace fk {

// What one op needs while it runs: bytes for each thread that takes part.
struct ScratchBooking {
    std::int64_t bytes_per_thread = 0;

    void book(std::int64_t bytes) { bytes_per_thread = std::max(bytes_per_thread, round_up(bytes, alignment)); }
};

// The memory behind bookings; slot `t` belongs to the t-th thread of a parallel loop.
class Scratch {
  public:
    Scratch() = default;
    Scratch(const ScratchBooking& booking, int threads)
        : stride_(booking.bytes_per_thread), memory_(booking.bytes_per_thread * threads) {}

    template <class T> T* slot(int thread) { return reinterpret_cast<T*>(memory_.data() + thread * stride_); }

  private:
    std::int64_t stride_ = 0;
    Tensor<unsigned char> memory_;
};

} // namespace fk
