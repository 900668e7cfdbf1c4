#include "net/program.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/threads.hpp"

namespace fk::net {

// Largest first, each at the lowest offset that is free during its life (greedy by size: Pisarchyk and Lee 2020,
// section 5.2).
std::int64_t place_buffers(std::vector<Buffer>& buffers) {
    std::vector<std::size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return buffers[a].floats > buffers[b].floats; });
    std::vector<const Buffer*> placed; // sorted by offset
    std::int64_t total = 0;
    for (const std::size_t index : order) {
        Buffer& buffer = buffers[index];
        if (buffer.place != Place::arena || buffer.whole >= 0) {
            continue;
        }
        const std::int64_t size = round_up(buffer.floats, 16);
        std::int64_t offset = 0;
        for (const Buffer* other : placed) {
            const bool meets = other->first <= buffer.last && buffer.first <= other->last;
            if (!meets) {
                continue;
            }
            if (offset + size <= other->offset) {
                break;
            }
            offset = std::max(offset, other->offset + round_up(other->floats, 16));
        }
        buffer.offset = offset;
        total = std::max(total, offset + size);
        placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                       [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                      &buffer);
    }
    return total;
}

Program::Program(std::vector<Step> steps, std::vector<Buffer> buffers, const ScratchBooking& booking, int batch, int threads)
    : steps_(std::move(steps)), buffers_(std::move(buffers)), scratch_(booking, threads), batch_(batch), threads_(threads) {
    arena_ = Tensor<float>(place_buffers(buffers_));
    for (const Buffer& buffer : buffers_) {
        pointers_.push_back(buffer.place == Place::arena ? arena_.data() + buffer.offset : nullptr);
    }
}

void Program::run(const float* x, float* y, int images, double* seconds) {
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        if (buffers_[i].place == Place::input) {
            pointers_[i] = const_cast<float*>(x); // steps read it only
        } else if (buffers_[i].place == Place::output) {
            pointers_[i] = y;
        }
        if (buffers_[i].whole >= 0) { // made after the whole: its pointer is there
            pointers_[i] = pointers_[static_cast<std::size_t>(buffers_[i].whole)] + buffers_[i].offset;
        }
    }
    const KeepAwake awake(threads_);
    const Frame frame{.buffers = pointers_.data(), .images = images, .scratch = &scratch_};
    if (seconds == nullptr) {
        for (const Step& step : steps_) {
            step.run(frame);
        }
        return;
    }
    using clock = std::chrono::steady_clock;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const auto begin = clock::now();
        steps_[i].run(frame);
        seconds[i] = std::chrono::duration<double>(clock::now() - begin).count();
    }
}

} // namespace fk::net
