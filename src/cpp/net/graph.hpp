// A network as it is stored: plain, unfused, one node per operator, in topological order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/activation.hpp"
#include "ops/requantize.hpp"

namespace fk::net {

using Dims = std::vector<std::int64_t>; // (C, H, W) or (C): without the batch

struct Weight {
    Dims dims;
    std::vector<float> data;
};

struct Node {
    std::string op;
    std::vector<int> inputs;                            // values
    int output = -1;                                    // value
    std::map<std::string, std::vector<double>> numbers; // attributes: a number is a list of one
    std::map<std::string, std::string> words;
    std::map<std::string, Weight> weights;

    // What passes fuse into the node; a stored graph has none of it.
    Activation activation;
    int residual = -1;                  // value added before the activation
    std::shared_ptr<const Node> before; // a depthwise convolution whose only reader this pointwise one is

    const Weight& weight(const std::string& role) const;
    const Weight* find_weight(const std::string& role) const;
    // `count` integers; where the attribute is not stored, all of them are `otherwise` (-1: it must be there).
    std::vector<std::int64_t> integers(const std::string& name, std::size_t count, std::int64_t otherwise = -1) const;
    double number(const std::string& name, double otherwise) const;
    // A convolution with one filter for each of several channels.
    bool is_depthwise() const;
    // "conv2d -> 'features'", for messages.
    std::string label;
    std::string stored; // name of the value that the stored node makes: passes rename the output, not this
    std::string kernel; // "": the planner chooses; else the name of the kernel that is to serve
};

struct Graph {
    std::string name;
    std::vector<std::string> values; // names
    int input = -1, output = -1;
    Dims input_dims;
    std::vector<Node> nodes;
    // What bytes that stand for a value mean, by value; where there are any, layers run on bytes.
    std::map<int, Quantization> quantization;

    int value(const std::string& value_name) const; // throws ModelError when there is none
    int define(const std::string& value_name);      // throws ModelError when there is one
    // How often each value is read; the graph's output counts once more.
    std::vector<int> uses() const;
    // Index of the node that makes each value, -1 for the input.
    std::vector<int> makers() const;
};

} // namespace fk::net
