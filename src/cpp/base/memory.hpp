// Zero-filled memory on a cache line; large pieces on huge pages where the system gives them on request.
#pragma once

#include <cstddef>

namespace fk {

inline constexpr std::size_t alignment = 64; // a cache line, and the widest vector

// At least one byte. Throws std::bad_alloc.
void* allocate_zeroed(std::size_t bytes);
void release(void* memory) noexcept;

} // namespace fk
