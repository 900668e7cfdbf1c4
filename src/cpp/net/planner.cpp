#include "net/planner.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.hpp"
#include "base/threads.hpp"
#include "net/passes.hpp"
#include "ops/reorder/reorder.hpp"

namespace fk::net {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

std::int64_t blocked_size(const Dims& dims, int block) {
    std::int64_t size = round_up(dims.at(0), block);
    for (std::size_t d = 1; d < dims.size(); ++d) {
        size *= dims[d];
    }
    return size;
}

std::int64_t pixels(const Dims& dims) { return dims.size() == 3 ? dims[1] * dims[2] : 1; }

const std::map<std::string, Lowering>& lowerings() {
    static const std::map<std::string, Lowering> table = [] {
        std::map<std::string, Lowering> all;
        add_window_lowerings(all);
        add_plain_lowerings(all);
        return all;
    }();
    return table;
}

} // namespace

Values::Values(const Graph& graph, int batch) : graph_(graph), batch_(batch), dims_(graph.values.size()) {
    dims_[at(graph.input)] = graph.input_dims;
}

std::array<std::int64_t, 4> Values::image_dims(const Node& node, int value) const {
    const Dims& d = dims(value);
    if (d.size() != 3) {
        throw ModelError(message(node.label, ": expects an input of 3 dimensions (C, H, W), has ", d.size()));
    }
    return {batch_, d[0], d[1], d[2]};
}

std::array<std::int64_t, 4> Values::image_or_pixel(int value) const {
    const Dims& d = dims(value);
    return d.size() == 3 ? std::array<std::int64_t, 4>{batch_, d[0], d[1], d[2]}
                         : std::array<std::int64_t, 4>{batch_, d.at(0), 1, 1};
}

Planner::Planner(const Graph& graph, int batch, int threads) : Values(graph, batch), threads_(threads) {
    buffer_of_[{graph.input, 1}] = 0;
    buffers_.push_back({.floats = blocked_size(graph.input_dims, 1), .place = Place::input});
    if (graph.quantization.empty()) {
        find_joined();
    }
}

// A concatenation costs nothing where convolutions that it alone reads write into their place: each but the last fills whole
// blocks of every width in use.
void Planner::find_joined() {
    constexpr std::int64_t widest_block = 16;
    const std::vector<int> uses = graph().uses();
    const std::vector<int> makers = graph().makers();
    for (const Node& node : graph().nodes) {
        std::int64_t channels = 0;
        bool fits = node.op == "concat" && node.output != graph().output;
        std::map<int, Part> parts;
        for (const int value : node.inputs) {
            const int maker = makers[at(value)];
            const Node* made = maker >= 0 ? &graph().nodes[at(maker)] : nullptr;
            const Weight* w = made != nullptr && made->op == "conv2d" ? made->find_weight("w") : nullptr;
            fits = fits && w != nullptr && w->dims.size() == 4 && !made->before && made->integers("groups", 1, 1)[0] == 1 &&
                   uses[at(value)] == 1 && channels % widest_block == 0;
            if (!fits) {
                break;
            }
            parts[value] = {node.output, channels};
            channels += w->dims[0];
        }
        if (fits && parts.size() > 1) {
            parts_.merge(parts);
            joined_channels_[node.output] = channels;
        }
    }
}

const Node* Planner::sole_reader(int value) const {
    const auto reads = [value](const Node& other) {
        return other.residual == value || std::count(other.inputs.begin(), other.inputs.end(), value) > 0;
    };
    const auto first = std::find_if(graph().nodes.begin(), graph().nodes.end(), reads);
    if (value == graph().output || first == graph().nodes.end() || std::any_of(first + 1, graph().nodes.end(), reads)) {
        return nullptr;
    }
    return &*first;
}

const Node* Planner::pool_after(const Node& node) const {
    const Node* first = sole_reader(node.output);
    return node.residual < 0 && first != nullptr && first->op == "max_pool2d" ? first : nullptr;
}

std::int64_t Planner::joined_channels(int value) const {
    const auto part = parts_.find(value);
    return part != parts_.end() ? joined_channels_.at(part->second.joined) : 0;
}

int Planner::write_part(int value, int block, const Dims& shape) {
    const Part& part = parts_.at(value);
    const Dims whole_shape{joined_channels_.at(part.joined), shape.at(1), shape.at(2)};
    const auto found = joined_buffer_.find(part.joined);
    if (found == joined_buffer_.end()) {
        joined_buffer_[part.joined] = {write(part.joined, block, whole_shape), block};
        buffer_of_.erase({part.joined, block}); // nobody reads it before it is whole
    } else if (dims(part.joined) != whole_shape || found->second.second != block) {
        throw ModelError(message("the parts of '", graph().values[at(part.joined)], "' have different heights or widths"));
    }
    const int whole = joined_buffer_.at(part.joined).first;
    set_dims(value, shape);
    const int next = static_cast<int>(steps_.size());
    buffers_.push_back({.floats = blocked_size(shape, block),
                        .place = Place::arena,
                        .whole = whole,
                        .first = next,
                        .last = next,
                        .offset = part.channels * shape[1] * shape[2]});
    buffer_of_[{value, block}] = static_cast<int>(buffers_.size()) - 1;
    return buffer_of_.at({value, block});
}

int Planner::joined(int value) const {
    const auto found = joined_buffer_.find(value);
    return found != joined_buffer_.end() ? found->second.first : -1;
}

int Planner::widest_block(int value) const {
    int widest = 0;
    for (const auto& [key, buffer] : buffer_of_) {
        if (key.first == value) {
            widest = std::max(widest, key.second);
        }
    }
    return widest;
}

int Planner::read(int value, int block) {
    if (dims(value).size() == 1) {
        block = 1; // features are one row a image, whatever the block
    }
    const auto found = buffer_of_.find({value, block});
    if (found != buffer_of_.end()) {
        return found->second;
    }
    if (!stands_as_floats(value)) {
        return dequantized(value, std::max(block, 1));
    }
    if (block != 1 && !buffer_of_.contains({value, 1})) {
        read(value, 1); // from another block: through plain order
    }
    const int from_block = block == 1 ? block_of(value) : 1;
    const int from = buffer_of_.at({value, from_block});
    const Dims& shape = dims(value);
    const int to = write(value, block, shape);
    Node reorder_node;
    reorder_node.label = "reorder of '" + graph().values[at(value)] + "'";
    const reorder::Served served = reorder::kernel(std::max(block, from_block));
    note_kernel("reorder", served.name, served.isa);
    const double bytes = 4.0 * double(blocked_size(shape, std::max(block, from_block)));
    step(reorder_node, {from}, to, {.flops = 0, .bytes_read = bytes, .bytes_written = bytes},
         [from, to, from_block, block, c = shape[0], p = pixels(shape), threads = threads_](const Frame& f) {
             if (from_block == 1) {
                 reorder::to_blocked(f.in(from), f.images, c, p, block, f.out(to), threads);
             } else {
                 reorder::from_blocked(f.in(from), f.images, c, p, from_block, f.out(to), threads);
             }
         });
    return to;
}

int Planner::write(int value, int block, const Dims& shape) {
    set_dims(value, shape);
    if (shape.size() == 1) {
        block = 1;
    }
    const int buffer = static_cast<int>(buffers_.size());
    const int next = static_cast<int>(steps_.size());
    buffers_.push_back({.floats = blocked_size(shape, block), .place = Place::arena, .first = next, .last = next});
    buffer_of_[{value, block}] = buffer;
    return buffer;
}

void Planner::alias(int value, int block, const Dims& shape, int buffer) {
    set_dims(value, shape);
    buffer_of_[{value, block}] = buffer;
}

void Planner::step(const Node& node, const std::vector<int>& reads, int writes, const Cost& cost,
                   std::function<void(const Frame&)> run) {
    const int index = static_cast<int>(steps_.size());
    for (const int buffer : reads) {
        buffers_[at(buffer)].last = index;
    }
    std::int64_t floats = buffers_[at(writes)].floats;
    for (const int buffer : reads) {
        floats += buffers_[at(buffer)].floats;
        hold_all_images(buffer);
    }
    hold_all_images(writes);
    largest_step_ = portion_steps_ < 0 ? std::max(largest_step_, floats) : largest_step_;
    for (int buffer = writes; buffer >= 0; buffer = buffers_[at(buffer)].whole) {
        buffers_[at(buffer)].first = std::min(buffers_[at(buffer)].first, index);
        buffers_[at(buffer)].last = std::max(buffers_[at(buffer)].last, index);
    }
    steps_.push_back({.node = node.label, .kernel = last_kernel(), .value = node.stored, .cost = cost, .run = std::move(run)});
}

void Planner::end_portions() { portion_steps_ = static_cast<int>(steps_.size()); }

// Steps that are run for all images at once read and write buffers that hold them all.
void Planner::hold_all_images(int buffer) {
    for (; portion_steps_ >= 0 && buffer >= 0; buffer = buffers_[at(buffer)].whole) {
        buffers_[at(buffer)].whole_batch = true;
    }
}

Portions Planner::portions() const {
    // Inputs and outputs of a layer, in half a second-level cache of 1 MiB.
    constexpr std::int64_t cached_floats = 512 * 1024 / 4;
    const std::int64_t fitting = std::clamp<std::int64_t>(cached_floats / std::max<std::int64_t>(1, largest_step_), 1, batch());
    // As many portions for each thread: three of eleven images would keep one of two threads waiting.
    const std::int64_t portions = round_up(ceil_div(batch(), fitting), threads_);
    const std::int64_t images = ceil_div(batch(), portions);
    return {.count = portion_steps_ < 0 ? static_cast<int>(steps_.size()) : portion_steps_, .images = static_cast<int>(images)};
}

Program Planner::finish() {
    const int result = read(graph().output, 1);
    if (buffers_[at(result)].place == Place::input) {
        Node copy_node;
        copy_node.label = "copy of the input";
        note_kernel("reorder", "reference", Isa::scalar);
        const std::int64_t image = blocked_size(dims(graph().output), 1);
        const int to = static_cast<int>(buffers_.size());
        buffers_.push_back({.floats = image, .place = Place::output});
        step(copy_node, {result}, to, {}, [result, to, image](const Frame& f) {
            parallel_for(1, 1, [&](int, int) {
                std::memcpy(f.out(to), f.in(result), static_cast<std::size_t>(f.images * image) * sizeof(float));
            });
        });
    } else {
        buffers_[at(result)].place = Place::output;
    }
    const Portions by = portions();
    return Program(std::move(steps_), std::move(buffers_), booking_, by, batch(), threads_);
}

// The first node of those at the end that work on features, when there is a dense layer among them.
std::size_t first_of_tail(const Graph& graph) {
    static const std::set<std::string> on_features{"dense", "activation", "add", "batch_norm", "softmax", "concat", "dropout"};
    std::size_t first = graph.nodes.size();
    bool dense = false;
    while (first > 0 && on_features.contains(graph.nodes[first - 1].op)) {
        dense = dense || graph.nodes[first - 1].op == "dense";
        --first;
    }
    return dense ? first : graph.nodes.size();
}

Program plan(Graph graph, int batch, int threads) {
    const bool int8 = !graph.quantization.empty();
    if (int8) {
        optimise_int8(graph);
    } else {
        optimise(graph);
    }
    Planner planner(graph, batch, threads);
    const std::size_t tail = first_of_tail(graph);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        if (i == tail) {
            planner.end_portions();
        }
        if (planner.is_fused(node)) {
            continue;
        }
        const auto lowering = lowerings().find(node.op);
        if (lowering == lowerings().end()) {
            throw ModelError(message(node.label, ": unknown operator '", node.op, "'"));
        }
        const ChosenKernel chosen(node.kernel);
        try {
            if (!int8 || !lower_int8(planner, node)) {
                lowering->second(planner, node);
            }
        } catch (const ValueError& e) {
            throw ModelError(message(node.label, ": ", e.what()));
        }
    }
    return planner.finish();
}

} // namespace fk::net
