#include <algorithm>

#include "base/error.hpp"
#include "net/passes.hpp"

namespace fk::net {

namespace {

bool is_clip(const Activation& a) {
    return a.kind == FK_ACTIVATION_NONE || a.kind == FK_ACTIVATION_RELU || a.kind == FK_ACTIVATION_RELU6;
}

// Layers that requantise their result: it may have any scale.
bool requantises(const Node& node) {
    return node.op == "conv2d" || node.op == "dense" || node.op == "add" || node.op == "activation" || node.op == "avg_pool2d" ||
           node.op == "global_avg_pool";
}

bool keeps_values(const Node& node) {
    return node.op == "max_pool2d" || node.op == "global_max_pool" || node.op == "flatten" || node.op == "dropout";
}

// The pieces of a concatenation are made in its scale where nobody else reads them: then it is a copy.
void share_scale_of_concat(Graph& graph) {
    const std::vector<int> uses = graph.uses();
    const std::vector<int> makers = graph.makers();
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        const auto whole = graph.quantization.find(node->output);
        if (node->op != "concat" || whole == graph.quantization.end()) {
            continue;
        }
        for (const int piece : node->inputs) {
            const int maker = makers[static_cast<std::size_t>(piece)];
            if (maker >= 0 && uses[static_cast<std::size_t>(piece)] == 1 &&
                (requantises(graph.nodes[static_cast<std::size_t>(maker)]) ||
                 graph.nodes[static_cast<std::size_t>(maker)].op == "concat")) {
                graph.quantization[piece] = whole->second;
            }
        }
    }
}

} // namespace

void optimise_int8(Graph& graph) {
    drop_unused(graph);
    drop_identities(graph);
    fold_batch_norm(graph);
    fuse_add(graph);
    fuse_activation(graph, &is_clip);
    share_scale_of_concat(graph);
    for (const Node& node : graph.nodes) {
        const auto before = graph.quantization.find(node.inputs.front());
        if (keeps_values(node) && before != graph.quantization.end()) {
            graph.quantization[node.output] = before->second;
        }
    }
}

} // namespace fk::net
