// From an optimised graph to a program: which kernel serves each node, in which layout, in which buffer.
#pragma once

#include <algorithm>
#include <map>
#include <set>

#include "net/graph.hpp"
#include "net/program.hpp"

namespace fk::net {

// Plans `graph` (the passes are applied to it) for up to `batch` images on `threads` threads, with the kernels that the
// calling thread's choice admits. Throws ModelError where a node is inconsistent or of an unknown kind.
Program plan(Graph graph, int batch, int threads);

// A node's own choice of the kernel, while it is lowered.
class ChosenKernel {
  public:
    explicit ChosenKernel(const std::string& kernel) : before_(current_choice().kernel) {
        if (!kernel.empty()) {
            current_choice().kernel = kernel;
        }
    }
    ~ChosenKernel() { current_choice().kernel = before_; }
    ChosenKernel(const ChosenKernel&) = delete;
    ChosenKernel& operator=(const ChosenKernel&) = delete;

  private:
    std::string before_;
};

// The dimensions of the values that are planned so far.
class Values {
  public:
    Values(const Graph& graph, int batch);

    const Graph& graph() const { return graph_; }
    int batch() const { return batch_; }
    const Dims& dims(int value) const { return dims_.at(static_cast<std::size_t>(value)); }
    void set_dims(int value, const Dims& dims) { dims_.at(static_cast<std::size_t>(value)) = dims; }
    // (n, C, H, W) of a value with that many dimensions; throws ModelError that names the node otherwise.
    std::array<std::int64_t, 4> image_dims(const Node& node, int value) const;
    // The same; (C) is taken for an image of one pixel.
    std::array<std::int64_t, 4> image_or_pixel(int value) const;
    // What bytes that stand for a value mean; throws ModelError that names the value where that is not known.
    const Quantization& quantization(int value) const;

  private:
    const Graph& graph_;
    int batch_;
    std::vector<Dims> dims_;
};

// Features are an image of one pixel.
inline Dims as_image(const Dims& dims) { return dims.size() == 1 ? Dims{dims[0], 1, 1} : dims; }

// What the lowering of a node may use.
class Planner : public Values {
  public:
    Planner(const Graph& graph, int batch, int threads);

    int threads() const { return threads_; }
    bool is_input(int value) const { return value == graph().input; }

    // The block in which a value stands already (any of them, the widest first); 1 where it stands as bytes alone.
    int block_of(int value) const { return std::max(1, widest_block(value)); }
    // The buffer that holds a value with channels in blocks of `block` (1: plain NCHW); reorders where it is not there yet.
    int read(int value, int block);
    // A new buffer for the value that a node makes.
    int write(int value, int block, const Dims& dims);
    // For a value that one concatenation alone reads, and that can be written where its channels stand in the joined value:
    // how many channels that has, else 0.
    std::int64_t joined_channels(int value) const;
    // A buffer for such a value, inside that of the joined value.
    int write_part(int value, int block, const Dims& dims);
    // The buffer of a joined value, when all its parts have been written there, else -1.
    int joined(int value) const;
    // Another name for a buffer: the value is the same memory.
    void alias(int value, int block, const Dims& dims, int buffer);

    // The same for values as bytes. Features are an image of one pixel; features flattened from an image are that image.
    enum class Bytes : int { blocked = -16, planar = -1 }; // [n, ceil(c / 16), h, w, 16]; [n, c, h, w]
    int read_bytes(int value) { return read_bytes(value, Bytes::blocked); }
    int read_planar_bytes(int value) { return read_bytes(value, Bytes::planar); }
    int write_bytes(int value, const Dims& dims) { return write_bytes(value, dims, as_image(dims)); }
    int write_bytes(int value, const Dims& dims, const Dims& image);
    int unnamed_bytes(const Dims& image); // a buffer that is no value of the graph
    void alias_bytes(int value, const Dims& dims, int from);
    bool stands_as_bytes(int value) const { return buffer_of_.contains({value, int(Bytes::blocked)}); }
    bool stands_as_floats(int value) const { return widest_block(value) > 0; }
    const Dims& image_of(int value) const;
    int write_floats(int value, const Dims& dims) { return write(value, 1, dims); }

    // The only node that reads a value, null where there are several or it is the output.
    const Node* sole_reader(int value) const;
    // Features that stand in the order of an image in blocks of channels, which their one reader knows of (block 1: plain).
    struct Order {
        std::int64_t pixels = 1;
        int block = 1;
        // Where feature i of the plain order stands; channels fill whole blocks.
        std::int64_t place(std::int64_t i) const {
            const std::int64_t channel = i / pixels;
            return (channel / block * pixels + i % pixels) * block + channel % block;
        }
    };
    void set_order(int value, const Order& order) { orders_[value] = order; }
    Order order_of(int value) const { return orders_.contains(value) ? orders_.at(value) : Order{}; }

    // The maximum pooling that alone reads what a node makes; null where there is none, or where the node adds a residual.
    // `fused` says that the node's own step makes the pool's value.
    const Node* pool_after(const Node& node) const;
    void fused(const Node& pool) { fused_.insert(pool.output); }
    bool is_fused(const Node& node) const { return fused_.contains(node.output); }

    void step(const Node& node, const std::vector<int>& reads, int writes, const Cost& cost,
              std::function<void(const Frame&)> run);
    void book(const ScratchBooking& booking) { booking_.book(booking.bytes_per_thread); }

    // Steps from here on are run for all images at once, those before for a portion after the other.
    void end_portions();

    Program finish();

  private:
    void find_joined();
    void hold_all_images(int buffer);
    Portions portions() const;
    int widest_block(int value) const; // of floats, 0: there are none
    int read_bytes(int value, Bytes layout);
    int dequantized(int value, int block);
    int find_bytes(std::int64_t bytes);

    int threads_;
    struct Part {
        int joined;            // value
        std::int64_t channels; // of it, before this part
    };
    std::map<int, Part> parts_;                        // by value
    std::map<int, std::int64_t> joined_channels_;      // by value
    std::map<int, std::pair<int, int>> joined_buffer_; // value -> (buffer, block)
    std::map<std::pair<int, int>, int> buffer_of_;     // (value, block) -> buffer
    std::map<int, Dims> images_;                       // what is stored as bytes, as images
    std::vector<Buffer> buffers_;
    std::map<int, Order> orders_; // by value
    std::set<int> fused_;         // values
    std::vector<Step> steps_;
    int portion_steps_ = -1;        // -1: all so far
    std::int64_t largest_step_ = 0; // floats that a step of a portion reads and writes
    ScratchBooking booking_;
};

using Lowering = void (*)(Planner&, const Node&);
// Lowerings by the operator's name; each area has a file of its own.
void add_window_lowerings(std::map<std::string, Lowering>& table); // convolutions and pools
void add_plain_lowerings(std::map<std::string, Lowering>& table);  // the rest
// Lowers a node to layers on bytes; false where it has no such form, or one of its values stands better in float32.
bool lower_int8(Planner& planner, const Node& node);

} // namespace fk::net
