// A network as a device is told of it: the layers of the optimised graph with their resolved Shapes. The host side of the
// device chooses their kernels, places the values and runs them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "net/planner.hpp"

namespace fk::net {

struct DeviceStep {
    std::string node;  // the node's label
    std::string value; // that the stored node makes
    std::string op;    // as in the registry of kernels; empty: the output is the input's memory
    std::vector<int> inputs;
    int residual = -1;
    int output = -1;
    std::vector<std::byte> shape; // the op's Shape, for the whole batch
    Cost cost;                    // of one image
    std::map<std::string, Weight> weights;
    std::string kernel; // that the caller names, else empty
};

struct DevicePlan {
    std::vector<DeviceStep> steps;
    std::vector<std::int64_t> floats; // of each value, for one image
    int input = -1, output = -1;
};

// Applies the passes to `graph` and resolves it for up to `batch` images. Throws ModelError where a node is inconsistent or
// has no form on a device.
DevicePlan plan_device(Graph graph, int batch);

} // namespace fk::net
