// Dense layers and everything that works value by value.

#include <memory>

#include "base/error.hpp"
#include "net/planner.hpp"

namespace fk::net {

namespace {

void lower_flatten(Planner& planner, const Node& node) {
    const int x = node.inputs.at(0);
    std::int64_t size = 1;
    for (const std::int64_t d : planner.dims(x)) {
        size *= d;
    }
    planner.alias(node.output, 1, {size}, planner.read(x, 1));
}

} // namespace

void add_plain_lowerings(std::map<std::string, Lowering>& table) {
    table["flatten"] = &lower_flatten;
    table["dropout"] = [](Planner& planner, const Node& node) {
        const int x = node.inputs.at(0);
        const int block = planner.block_of(x);
        planner.alias(node.output, block, planner.dims(x), planner.read(x, block));
    };
}

} // namespace fk::net
