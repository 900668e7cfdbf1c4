// A planned network: steps over buffers in one arena. Running it allocates nothing, takes no lock and touches no Python.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "ops/op.hpp"

namespace fk::net {

// What a step sees while it runs.
struct Frame {
    float* const* buffers = nullptr;
    int images = 0;
    Scratch* scratch = nullptr;

    const float* in(int buffer) const { return buffers[buffer]; }
    float* out(int buffer) const { return buffers[buffer]; }
};

struct Step {
    std::string node;   // the node's label
    std::string kernel; // "op:name:isa"
    std::string value;  // that the stored node makes; empty for a step that is no node
    Cost cost;          // of one image
    std::function<void(const Frame&)> run;
};

// Buffers live in the arena, except the two that the caller owns.
enum class Place { arena, input, output };

struct Buffer {
    std::int64_t floats = 0; // for the planned batch
    Place place = Place::arena;
    int whole = -1;          // the buffer that this one is a part of, from `offset` floats on
    int first = 0, last = 0; // steps between which it holds something
    std::int64_t offset = 0;
};

class Program {
  public:
    Program(std::vector<Step> steps, std::vector<Buffer> buffers, const ScratchBooking& booking, int batch, int threads);

    // x and y hold `images` <= batch() images. With `seconds`, one entry for each step, the time each took is written there.
    void run(const float* x, float* y, int images, double* seconds = nullptr);

    int batch() const { return batch_; }
    const std::vector<Step>& steps() const { return steps_; }
    std::int64_t arena_bytes() const { return arena_.size() * 4; }

  private:
    std::vector<Step> steps_;
    std::vector<Buffer> buffers_;
    std::vector<float*> pointers_;
    Tensor<float> arena_;
    Scratch scratch_;
    int batch_, threads_;
};

// Gives each arena buffer an offset so that buffers whose lifetimes meet do not overlap; returns the floats needed.
std::int64_t place_buffers(std::vector<Buffer>& buffers);

} // namespace fk::net
