#include "net/graph.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace fk::net {

const Weight* Node::find_weight(const std::string& role) const {
    const auto at = weights.find(role);
    return at == weights.end() ? nullptr : &at->second;
}

const Weight& Node::weight(const std::string& role) const {
    const Weight* found = find_weight(role);
    if (found == nullptr) {
        throw ModelError(message(label, ": weight '", role, "' is missing"));
    }
    return *found;
}

std::vector<std::int64_t> Node::integers(const std::string& name, std::size_t count, std::int64_t otherwise) const {
    const auto at = numbers.find(name);
    if (at == numbers.end() && otherwise >= 0) {
        return std::vector<std::int64_t>(count, otherwise);
    }
    if (at == numbers.end() || at->second.size() != count) {
        throw ModelError(message(label, ": attribute '", name, "' must be ", count, " integers"));
    }
    std::vector<std::int64_t> values;
    for (const double v : at->second) {
        if (!(std::abs(v) < 2147483648.0) || v != std::floor(v)) {
            throw ModelError(message(label, ": attribute '", name, "' must be ", count, " integers, has ", v));
        }
        values.push_back(static_cast<std::int64_t>(v));
    }
    return values;
}

double Node::number(const std::string& name, double otherwise) const {
    const auto at = numbers.find(name);
    return at == numbers.end() || at->second.empty() ? otherwise : at->second.front();
}

bool Node::is_depthwise() const {
    const Weight* w = op == "conv2d" ? find_weight("w") : nullptr;
    return w != nullptr && w->dims.size() == 4 && w->dims[1] == 1 && w->dims[0] > 1 && integers("groups", 1, 1)[0] == w->dims[0];
}

int Graph::value(const std::string& value_name) const {
    const auto at = std::find(values.begin(), values.end(), value_name);
    if (at == values.end()) {
        throw ModelError(message("network '", name, "': no value named '", value_name, "'"));
    }
    return static_cast<int>(at - values.begin());
}

int Graph::define(const std::string& value_name) {
    if (std::find(values.begin(), values.end(), value_name) != values.end()) {
        throw ModelError(message("network '", name, "': value '", value_name, "' is made twice"));
    }
    values.push_back(value_name);
    return static_cast<int>(values.size()) - 1;
}

std::vector<int> Graph::uses() const {
    std::vector<int> counts(values.size(), 0);
    for (const Node& node : nodes) {
        for (const int input_value : node.inputs) {
            ++counts[static_cast<std::size_t>(input_value)];
        }
        if (node.residual >= 0) {
            ++counts[static_cast<std::size_t>(node.residual)];
        }
    }
    ++counts[static_cast<std::size_t>(output)];
    return counts;
}

std::vector<int> Graph::makers() const {
    std::vector<int> made(values.size(), -1);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        made[static_cast<std::size_t>(nodes[i].output)] = static_cast<int>(i);
    }
    return made;
}

} // namespace fk::net
