#include "base/memory.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fk {

namespace {
// Weights of a large network span more small pages than a processor's page tables cache: every other line of a stream
// then waits for a walk through the tables.
constexpr std::size_t huge_page = 2 * 1024 * 1024;

// Pieces that are worth keeping: the C library has smaller ones at hand itself, larger ones would weigh on the machine.
constexpr std::size_t least_kept = 32 * 1024;
constexpr std::size_t most_kept = 16 * 1024 * 1024;
constexpr std::size_t kept_by_a_thread = 32 * 1024 * 1024;

std::size_t size_of(std::size_t bytes) {
    const std::size_t unit = bytes >= least_kept ? 4096 : alignment;
    return (bytes + unit - 1) / unit * unit;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keeps = false; // so that the sanitizer sees every piece end
#else
constexpr bool keeps = true;
#endif

// The pieces that a thread gave back last.
class Kept {
  public:
    Kept() = default;
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() {
        for (Piece& piece : pieces_) {
            std::free(std::exchange(piece.memory, nullptr));
        }
        ended_ = true;
    }

    void* take(std::size_t size) {
        for (Piece& piece : pieces_) {
            if (piece.memory != nullptr && piece.size == size) {
                held_ -= size;
                return std::exchange(piece.memory, nullptr);
            }
        }
        return nullptr;
    }

    // In the place of the oldest; what is over the limit is freed, the oldest first.
    void keep(void* memory, std::size_t size) {
        drop(pieces_[next_]);
        pieces_[next_] = {memory, size};
        next_ = (next_ + 1) % pieces_.size();
        held_ += size;
        for (std::size_t i = next_; held_ > kept_by_a_thread; i = (i + 1) % pieces_.size()) {
            drop(pieces_[i]);
        }
    }

    // Whether this thread's is no more: objects that end later give back to the system.
    static bool ended() { return ended_; }

  private:
    struct Piece {
        void* memory = nullptr;
        std::size_t size = 0;
    };

    void drop(Piece& piece) {
        if (piece.memory != nullptr) {
            held_ -= piece.size;
            std::free(std::exchange(piece.memory, nullptr));
        }
    }

    std::array<Piece, 16> pieces_{};
    std::size_t next_ = 0;
    std::size_t held_ = 0;
    static thread_local bool ended_;
};

thread_local bool Kept::ended_ = false;

Kept& kept() {
    static thread_local Kept mine;
    return mine;
}

bool is_kept(std::size_t size) { return keeps && size >= least_kept && size <= most_kept && !Kept::ended(); }

} // namespace

void* allocate(std::size_t bytes) {
    const std::size_t size = size_of(bytes);
    if (is_kept(size)) {
        if (void* again = kept().take(size)) {
            return again;
        }
    }
    const bool large = size >= huge_page;
    void* memory = nullptr;
    if (posix_memalign(&memory, large ? huge_page : alignment, size) != 0) {
        throw std::bad_alloc();
    }
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (large) {
        // A wish: where it is not granted the memory is as good as any.
        static_cast<void>(madvise(memory, size / huge_page * huge_page, MADV_HUGEPAGE));
    }
#endif
    return memory;
}

void* allocate_zeroed(std::size_t bytes) {
    void* memory = allocate(bytes);
    std::memset(memory, 0, size_of(bytes));
    return memory;
}

void release(void* memory, std::size_t bytes) noexcept {
    const std::size_t size = size_of(bytes);
    if (memory != nullptr && is_kept(size)) {
        kept().keep(memory, size);
    } else {
        std::free(memory);
    }
}

} // namespace fk
