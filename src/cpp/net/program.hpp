// A planned network: steps over buffers in one arena. Running it allocates nothing, takes no lock and touches no Python.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "base/threads.hpp"
#include "ops/op.hpp"

namespace fk::net {

// What a step sees while it runs.
struct Frame {
    float* const* buffers = nullptr;
    int images = 0;
    Scratch* scratch = nullptr;

    const float* in(int buffer) const { return buffers[buffer]; }
    float* out(int buffer) const { return buffers[buffer]; }
    const std::uint8_t* bytes_in(int buffer) const { return reinterpret_cast<const std::uint8_t*>(buffers[buffer]); }
    std::uint8_t* bytes_out(int buffer) const { return reinterpret_cast<std::uint8_t*>(buffers[buffer]); }
};

struct Step {
    std::string node;   // the node's label
    std::string kernel; // "op:name:isa"
    std::string value;  // that the stored node makes; empty for a step that is no node
    Cost cost;          // of one image
    // Every thread that shares a network's loops calls it: outside of parallel_for it neither reads nor writes buffers.
    std::function<void(const Frame&)> run;
};

// Buffers live in the arena, except the two that the caller owns.
enum class Place { arena, input, output };

struct Buffer {
    std::int64_t floats = 0; // for one image
    Place place = Place::arena;
    int whole = -1;           // the buffer that this one is a part of, from `offset` floats on
    bool whole_batch = false; // holds all images of a run, not only those of a portion
    int first = 0, last = 0;  // steps between which it holds something
    std::int64_t offset = 0;
};

// Steps [0, count) are run for a portion of the images after the other, so that what lies between two layers stays in the
// cache; those after them, dense layers, for all images at once, so that weights are read once.
struct Portions {
    int count = 0;
    int images = 1;
};

class Program {
  public:
    Program(std::vector<Step> steps, std::vector<Buffer> buffers, const ScratchBooking& booking, const Portions& portions,
            int batch, int threads);

    // x and y hold `images` <= batch() images. With `seconds`, one entry for each step, the time each took is written there;
    // of portions side by side, the mean over the threads.
    void run(const float* x, float* y, int images, double* seconds = nullptr);

    int batch() const { return batch_; }
    int threads() const { return threads_; }
    // Images that a step is run for at a time.
    int images_at_once(int step) const { return step < portions_.count ? portions_.images : batch_; }
    const std::vector<Step>& steps() const { return steps_; }
    std::int64_t arena_bytes() const;

  private:
    // What one portion at a time needs.
    struct Context {
        Tensor<float> arena;
        Scratch scratch;
        std::vector<double> seconds; // of each step, in the portions that it ran
    };
    int together_for(int images) const; // portions at the same time
    // What each thread does, all of them side by side.
    void walk(const float* x, float* y, int images, double* seconds, int slot);
    void point(Context& context, const float* x, float* y, int first, std::vector<float*>& pointers);
    // Steps from `begin` to `end`, of images from `first` on.
    void run_steps(Context& context, const float* x, float* y, int first, int images, int begin, int end, double* seconds);

    std::vector<Step> steps_;
    std::vector<Buffer> buffers_;
    Tensor<float> whole_batch_;
    std::vector<Context> contexts_; // one for each portion that runs at the same time
    Portions portions_;
    int batch_, threads_;
    std::unique_ptr<Team> team_; // of more threads than one
};

// Gives each arena buffer that holds all images (or each that does not) an offset so that buffers whose lifetimes meet do not
// overlap; returns the floats needed for `images`.
std::int64_t place_buffers(std::vector<Buffer>& buffers, bool whole_batch, std::int64_t images);

} // namespace fk::net
