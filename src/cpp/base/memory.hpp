// Memory on a cache line; large pieces on huge pages where the system gives them on request.
//
// A function of the Python API needs the same few megabytes at every call, and a new page costs some 0.25 us before the
// first byte is written (4 MB: 250 us, more than many a convolution). What a thread gives back is therefore kept for it, to a
// limit, and handed out again for the same size.
#pragma once

#include <cstddef>

namespace fk {

inline constexpr std::size_t alignment = 64; // a cache line, and the widest vector

// At least one byte. Throws std::bad_alloc.
void* allocate(std::size_t bytes); // holding anything
void* allocate_zeroed(std::size_t bytes);
// `bytes` as they were asked for.
void release(void* memory, std::size_t bytes) noexcept;

} // namespace fk
