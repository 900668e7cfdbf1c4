#include "net/passes.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "ops/batch_norm/batch_norm.hpp"

namespace fk::net {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

bool has_weights(const Node& node) { return node.op == "conv2d" || node.op == "dense"; }

// The node that makes `value`, when nobody else reads the value; else null.
Node* sole_maker(Graph& graph, int value, const std::vector<int>& uses, const std::vector<int>& makers) {
    const int maker = makers[at(value)];
    return maker >= 0 && uses[at(value)] == 1 ? &graph.nodes[at(maker)] : nullptr;
}

void erase_marked(Graph& graph, const std::vector<bool>& gone) {
    std::vector<Node> kept;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (!gone[i]) {
            kept.push_back(std::move(graph.nodes[i]));
        }
    }
    graph.nodes = std::move(kept);
}

void replace_value(Graph& graph, int old_value, int new_value) {
    for (Node& node : graph.nodes) {
        std::replace(node.inputs.begin(), node.inputs.end(), old_value, new_value);
    }
    if (graph.output == old_value) {
        graph.output = new_value;
    }
}

// w' = s w, b' = s (b - mean) + beta with s = gamma / sqrt(variance + epsilon), in double precision.
void fold(Node& layer, const Node& norm) {
    Weight& w = layer.weights.at("w");
    const auto filters = at(static_cast<int>(w.dims.at(0)));
    const double epsilon = norm.number("epsilon", 1e-5);
    const std::size_t row = w.data.size() / filters;
    Weight& b = layer.weights.try_emplace("b", Weight{{w.dims[0]}, std::vector<float>(filters, 0.0F)}).first->second;
    for (std::size_t o = 0; o < filters; ++o) {
        const double scale = norm.weight("gamma").data[o] /
                             batch_norm::deviation(norm.weight("variance").data.data(), static_cast<std::int64_t>(o), epsilon);
        for (std::size_t i = 0; i < row; ++i) {
            w.data[o * row + i] = static_cast<float>(w.data[o * row + i] * scale);
        }
        b.data[o] = static_cast<float>((double(b.data[o]) - norm.weight("mean").data[o]) * scale + norm.weight("beta").data[o]);
    }
}

bool all_are(const Node& node, const char* name, std::size_t count, std::int64_t value) {
    const std::vector<std::int64_t> numbers = node.integers(name, count, value);
    return std::all_of(numbers.begin(), numbers.end(), [value](std::int64_t n) { return n == value; });
}

bool is_pointwise(const Node& node) {
    const Weight* w = node.op == "conv2d" ? node.find_weight("w") : nullptr;
    return w != nullptr && w->dims.size() == 4 && w->dims[2] == 1 && w->dims[3] == 1 && all_are(node, "stride", 2, 1) &&
           all_are(node, "groups", 1, 1) && all_are(node, "padding", 4, 0);
}

} // namespace

void drop_unused(Graph& graph) {
    for (bool changed = true; changed;) {
        const std::vector<int> uses = graph.uses();
        std::vector<bool> gone(graph.nodes.size(), false);
        changed = false;
        for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
            gone[i] = uses[at(graph.nodes[i].output)] == 0;
            changed = changed || gone[i];
        }
        erase_marked(graph, gone);
    }
}

void drop_identities(Graph& graph) {
    std::vector<bool> gone(graph.nodes.size(), false);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (graph.nodes[i].op == "dropout" && graph.nodes[i].inputs.front() != graph.input) {
            gone[i] = true;
            replace_value(graph, graph.nodes[i].output, graph.nodes[i].inputs.front());
        }
    }
    erase_marked(graph, gone);
}

void fold_batch_norm(Graph& graph) {
    const std::vector<int> uses = graph.uses();
    const std::vector<int> makers = graph.makers();
    std::vector<bool> gone(graph.nodes.size(), false);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& norm = graph.nodes[i];
        if (norm.op != "batch_norm") {
            continue;
        }
        Node* layer = sole_maker(graph, norm.inputs.front(), uses, makers);
        if (layer == nullptr || !has_weights(*layer)) {
            continue;
        }
        const std::int64_t filters = layer->weight("w").dims.at(0);
        for (const char* role : {"gamma", "beta", "mean", "variance"}) {
            if (norm.weight(role).data.size() != at(static_cast<int>(filters))) {
                throw ModelError(message(norm.label, ": ", role, " has ", norm.weight(role).data.size(),
                                         " values, the layer before ", filters, " filters"));
            }
        }
        try {
            fold(*layer, norm);
        } catch (const ValueError& e) {
            throw ModelError(message(norm.label, ": ", e.what()));
        }
        layer->output = norm.output;
        gone[i] = true;
    }
    erase_marked(graph, gone);
}

void fuse_add(Graph& graph) {
    const std::vector<int> uses = graph.uses();
    std::vector<int> makers = graph.makers();
    std::vector<bool> gone(graph.nodes.size(), false);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        Node& add = graph.nodes[i];
        if (add.op != "add" || add.inputs.size() != 2 || add.inputs[0] == add.inputs[1]) {
            continue;
        }
        // The convolution that is made last: it takes the sum's place, so the other side is there by then.
        int chosen = -1;
        for (const int side : {0, 1}) {
            const int value = add.inputs[at(side)];
            const Node* maker = sole_maker(graph, value, uses, makers);
            const bool fits =
                maker != nullptr && maker->op == "conv2d" && maker->residual < 0 && maker->activation.kind == FK_ACTIVATION_NONE;
            if (fits && (chosen < 0 || makers[at(value)] > makers[at(add.inputs[at(chosen)])])) {
                chosen = side;
            }
        }
        if (chosen < 0) {
            continue;
        }
        const std::size_t convolution = at(makers[at(add.inputs[at(chosen)])]);
        Node fused = std::move(graph.nodes[convolution]);
        fused.residual = add.inputs[at(1 - chosen)];
        fused.output = add.output;
        gone[convolution] = true;
        graph.nodes[i] = std::move(fused);
        makers[at(graph.nodes[i].output)] = static_cast<int>(i);
    }
    erase_marked(graph, gone);
}

void fuse_activation(Graph& graph, bool (*wanted)(const Activation&)) {
    const std::vector<int> uses = graph.uses();
    const std::vector<int> makers = graph.makers();
    std::vector<bool> gone(graph.nodes.size(), false);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        if (node.op != "activation" || (wanted != nullptr && !wanted(node.activation))) {
            continue;
        }
        Node* before = sole_maker(graph, node.inputs.front(), uses, makers);
        if (before == nullptr || before->activation.kind != FK_ACTIVATION_NONE ||
            !(has_weights(*before) || before->op == "add")) {
            continue;
        }
        before->activation = node.activation;
        before->output = node.output;
        gone[i] = true;
    }
    erase_marked(graph, gone);
}

void fuse_separable(Graph& graph) {
    const std::vector<int> uses = graph.uses();
    const std::vector<int> makers = graph.makers();
    std::vector<bool> gone(graph.nodes.size(), false);
    for (Node& second : graph.nodes) {
        if (!is_pointwise(second) || uses[at(second.inputs.front())] != 1) {
            continue;
        }
        const int maker = makers[at(second.inputs.front())];
        if (maker < 0 || !graph.nodes[at(maker)].is_depthwise() || graph.nodes[at(maker)].residual >= 0) {
            continue;
        }
        auto first = std::make_shared<Node>(std::move(graph.nodes[at(maker)]));
        second.inputs = first->inputs;
        second.before = std::move(first);
        gone[at(maker)] = true;
    }
    erase_marked(graph, gone);
}

void optimise(Graph& graph) {
    drop_unused(graph);
    drop_identities(graph);
    fold_batch_norm(graph);
    fuse_add(graph);
    fuse_activation(graph);
    fuse_separable(graph);
}

} // namespace fk::net
