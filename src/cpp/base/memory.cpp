#include "base/memory.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fk {

namespace {
// Weights of a large network span more small pages than a processor's page tables cache: every other line of a stream
// then waits for a walk through the tables.
constexpr std::size_t huge_page = 2 * 1024 * 1024;
} // namespace

void* allocate_zeroed(std::size_t bytes) {
    const bool large = bytes >= huge_page;
    const std::size_t boundary = large ? huge_page : alignment;
    const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
    void* memory = nullptr;
    if (posix_memalign(&memory, boundary, size) != 0) {
        throw std::bad_alloc();
    }
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (large) {
        // A wish: where it is not granted the memory is as good as any.
        static_cast<void>(madvise(memory, size / huge_page * huge_page, MADV_HUGEPAGE));
    }
#endif
    std::memset(memory, 0, size);
    return memory;
}

void release(void* memory) noexcept { std::free(memory); }

} // namespace fk
