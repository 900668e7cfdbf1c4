// What the lowerings share.
#pragma once

#include <memory>

#include "net/planner.hpp"
#include "ops/conv2d/conv2d.hpp"
#include "ops/depthwise/depthwise.hpp"
#include "ops/pool/pool.hpp"

namespace fk::net {

// A Shape for one image instead of a batch.
template <class Shape> Shape one_image(Shape shape) {
    shape.n = 1;
    return shape;
}

// Optional vector of weights "b": its values (null: none) and how many (-1: none).
inline const float* bias_of(const Node& node) {
    const Weight* b = node.find_weight("b");
    return b != nullptr ? b->data.data() : nullptr;
}
inline std::int64_t bias_length(const Node& node) {
    const Weight* b = node.find_weight("b");
    return b != nullptr ? static_cast<std::int64_t>(b->data.size()) : -1;
}

// What a node says of its window, as the ops ask it.
conv2d::Params conv2d_params(const Values& values, const Node& node);
depthwise::Params depthwise_params(const Values& values, const Node& node);
pool::Params pool_params(const Values& values, const Node& node, PoolKind kind);

// The step of a planned layer over buffers that are there: books its scratch, names its kernel.
template <class Plan> void add_step(Planner& planner, const Node& node, const char* op, const Plan& layer,
                                    const std::vector<int>& reads, int writes, const Cost& cost,
                                    std::function<void(const Frame&)> run) {
    planner.book(layer.scratch());
    note_kernel(op, layer.kernel().name, layer.kernel().isa);
    planner.step(node, reads, writes, cost, std::move(run));
}

// A layer from one value to one value; `blocks`: the channel blocks in which it reads and writes.
struct Blocks {
    int in, out;
};

template <class Plan> void add_layer(Planner& planner, const Node& node, const char* op, const std::shared_ptr<Plan>& layer,
                                     Blocks blocks, const Dims& dims, const Cost& cost) {
    const int from = planner.read(node.inputs.at(0), blocks.in);
    const int to = planner.write(node.output, blocks.out, dims);
    add_step(planner, node, op, *layer, {from}, to, cost,
             [layer, from, to](const Frame& f) { layer->run(f.in(from), f.out(to), f.images, *f.scratch); });
}

} // namespace fk::net
