#include "net/program.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/threads.hpp"

namespace fk::net {

// Largest first, each at the lowest offset that is free during its life (greedy by size: Pisarchyk and Lee 2020,
// section 5.2).
std::int64_t place_buffers(std::vector<Buffer>& buffers, bool whole_batch, std::int64_t images) {
    std::vector<std::size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return buffers[a].floats > buffers[b].floats; });
    std::vector<const Buffer*> placed; // sorted by offset
    std::int64_t total = 0;
    for (const std::size_t index : order) {
        Buffer& buffer = buffers[index];
        if (buffer.place != Place::arena || buffer.whole >= 0 || buffer.whole_batch != whole_batch) {
            continue;
        }
        const std::int64_t size = round_up(images * buffer.floats, 16);
        std::int64_t offset = 0;
        for (const Buffer* other : placed) {
            const bool meets = other->first <= buffer.last && buffer.first <= other->last;
            if (!meets) {
                continue;
            }
            if (offset + size <= other->offset) {
                break;
            }
            offset = std::max(offset, other->offset + round_up(images * other->floats, 16));
        }
        buffer.offset = offset;
        total = std::max(total, offset + size);
        placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                       [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                      &buffer);
    }
    return total;
}

Program::Program(std::vector<Step> steps, std::vector<Buffer> buffers, const ScratchBooking& booking, const Portions& portions,
                 int batch, int threads)
    : steps_(std::move(steps)), buffers_(std::move(buffers)), portions_(portions), batch_(batch), threads_(threads),
      team_(threads > 1 ? std::make_unique<Team>() : nullptr) {
    whole_batch_ = Tensor<float>(place_buffers(buffers_, true, batch));
    const std::int64_t floats = place_buffers(buffers_, false, portions.images);
    const int together = static_cast<int>(std::min<std::int64_t>(threads, ceil_div(batch, portions.images)));
    for (int c = 0; c < together; ++c) {
        contexts_.push_back({.arena = Tensor<float>(floats),
                             // A portion that runs beside others has one thread, one that runs alone all of them.
                             .scratch = Scratch(booking, c == 0 ? threads : 1),
                             .seconds = std::vector<double>(steps_.size(), 0.0)});
    }
}

// Portions beside each other share nothing; with fewer than threads each has all threads for itself.
int Program::together_for(int images) const {
    return ceil_div(images, portions_.images) >= threads_ ? static_cast<int>(contexts_.size()) : 1;
}

std::int64_t Program::arena_bytes() const {
    return 4 * (whole_batch_.size() + static_cast<std::int64_t>(contexts_.size()) * contexts_.front().arena.size());
}

// Where each buffer stands for the images from `first` on.
void Program::point(Context& context, const float* x, float* y, int first, std::vector<float*>& pointers) {
    pointers.resize(buffers_.size());
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        const Buffer& buffer = buffers_[i];
        float*& pointer = pointers[i];
        if (buffer.whole >= 0) { // made after the whole: its pointer is there
            pointer = pointers[static_cast<std::size_t>(buffer.whole)] + buffer.offset;
        } else if (buffer.place == Place::input) {
            pointer = const_cast<float*>(x) + first * buffer.floats; // steps read it only
        } else if (buffer.place == Place::output) {
            pointer = y + first * buffer.floats;
        } else if (buffer.whole_batch) {
            pointer = whole_batch_.data() + buffer.offset + first * buffer.floats;
        } else {
            pointer = context.arena.data() + buffer.offset;
        }
    }
}

void Program::run_steps(Context& context, const float* x, float* y, int first, int images, int begin, int end, double* seconds) {
    thread_local std::vector<float*> pointers;
    point(context, x, y, first, pointers);
    const Frame frame{.buffers = pointers.data(), .images = images, .scratch = &context.scratch};
    using clock = std::chrono::steady_clock;
    auto before = seconds != nullptr ? clock::now() : clock::time_point();
    for (int i = begin; i < end; ++i) {
        steps_[static_cast<std::size_t>(i)].run(frame);
        if (seconds != nullptr) {
            const auto now = clock::now();
            seconds[i] += std::chrono::duration<double>(now - before).count();
            before = now;
        }
    }
}

void Program::walk(const float* x, float* y, int images, double* seconds, int slot) {
    const int portions = static_cast<int>(ceil_div(images, portions_.images));
    const int together = together_for(images);
    double* const here = slot == 0 ? seconds : nullptr;
    const auto run_portion = [&](Context& context, int portion, double* spent) {
        const int first = portion * portions_.images;
        run_steps(context, x, y, first, std::min(portions_.images, images - first), 0, portions_.count, spent);
    };
    if (together > 1) {
        parallel_for(portions, together, [&](int portion, int own) {
            Context& context = contexts_[static_cast<std::size_t>(own)];
            const Alone alone(true);
            run_portion(context, portion, seconds != nullptr ? context.seconds.data() : nullptr);
        });
    } else {
        for (int portion = 0; portion < portions; ++portion) {
            run_portion(contexts_.front(), portion, here);
        }
    }
    for (std::size_t i = 0; here != nullptr && i < steps_.size() && together > 1; ++i) {
        for (const Context& context : contexts_) {
            here[i] += context.seconds[i] / together;
        }
    }
    run_steps(contexts_.front(), x, y, 0, images, portions_.count, static_cast<int>(steps_.size()), here);
}

void Program::run(const float* x, float* y, int images, double* seconds) {
    if (seconds != nullptr) {
        std::fill_n(seconds, steps_.size(), 0.0);
        for (Context& context : contexts_) {
            std::fill(context.seconds.begin(), context.seconds.end(), 0.0);
        }
    }
    if (team_ == nullptr) {
        walk(x, y, images, seconds, 0);
        return;
    }
    team_->run(threads_, [this, x, y, images, seconds](int slot) { walk(x, y, images, seconds, slot); });
}

} // namespace fk::net
