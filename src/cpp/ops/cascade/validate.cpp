// Every index that a kernel follows is judged here, once, when a cascade is made.
#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "ops/cascade/cascade.hpp"
#include "ops/cascade/leaf.hpp"

namespace fk::cascade {
namespace {

constexpr std::int32_t max_window = 1024, lbp_codes = 256;

[[noreturn]] void fail(const std::string& what) { throw ModelError("cascade: " + what); }

std::string text(std::int64_t n) { return std::to_string(n); }

bool part_of(std::int64_t first, std::int64_t count, std::size_t size) {
    return first >= 0 && count >= 0 && first + count <= static_cast<std::int64_t>(size);
}

void check_rect(const Cascade& c, const Rect& r, bool tilted, std::size_t feature) {
    const std::int64_t x = r.x, y = r.y, w = r.width, h = r.height;
    const bool lbp = c.kind == FeatureKind::lbp;
    const std::int64_t left = tilted ? x - h : x, right = tilted ? x + w : x + w * (lbp ? 3 : 1);
    const std::int64_t bottom = tilted ? y + w + h : y + h * (lbp ? 3 : 1);
    if (w < 0 || h < 0 || left < 0 || y < 0 || right > c.window_width || bottom > c.window_height) {
        fail("feature " + text(static_cast<std::int64_t>(feature)) + " has the rectangle x " + text(x) + ", y " + text(y) +
             ", width " + text(w) + ", height " + text(h) + (tilted ? ", tilted" : "") + ", which leaves the window of " +
             text(c.window_width) + " x " + text(c.window_height));
    }
}

void check_feature(const Cascade& c, std::size_t i) {
    const Feature& f = c.features[i];
    const bool tilted = f.tilted != 0;
    if (tilted && c.kind == FeatureKind::lbp) {
        fail("feature " + text(static_cast<std::int64_t>(i)) + " is tilted, which LBP features cannot be");
    }
    const std::int32_t rects = (c.kind == FeatureKind::lbp) ? 1 : 3;
    for (std::int32_t r = 0; r < rects; ++r) {
        if (!std::isfinite(f.weights[r])) {
            fail("feature " + text(static_cast<std::int64_t>(i)) + " has a weight that is not finite");
        }
        if (r == 0 || f.weights[r] != 0.0F) {
            check_rect(c, f.rects[r], tilted, i);
        }
    }
}

void check_tree(const Cascade& c, std::size_t t) {
    const Tree& tree = c.trees[t];
    const std::string name = "tree " + text(static_cast<std::int64_t>(t));
    if (tree.node_count < 1 || tree.node_count > max_tree_nodes) {
        fail(name + " has " + text(tree.node_count) + " nodes; 1 to " + text(max_tree_nodes) + " are read");
    }
    if (!part_of(tree.first_node, tree.node_count, c.nodes.size()) ||
        !part_of(tree.first_leaf, tree.leaf_count, c.leaves.size())) {
        fail(name + " lies outside the nodes or leaves that the file holds");
    }
    for (std::int32_t i = 0; i < tree.node_count; ++i) {
        const Node& n = c.nodes[static_cast<std::size_t>(tree.first_node + i)];
        if (n.feature < 0 || static_cast<std::size_t>(n.feature) >= c.features.size()) {
            fail(name + " uses feature " + text(n.feature) + " of " + text(static_cast<std::int64_t>(c.features.size())));
        }
        if (!std::isfinite(n.threshold)) {
            fail(name + " has a threshold that is not finite");
        }
        if (c.kind == FeatureKind::lbp && !part_of(n.table, lbp_codes, c.tables.size())) {
            fail(name + " has no table of its codes");
        }
        for (const std::int32_t child : {n.left, n.right}) {
            // A child behind its parent: no path can run in a circle.
            if (child > 0 ? (child <= i || child >= tree.node_count) : (child <= -tree.leaf_count)) {
                fail(name + ", node " + text(i) + " points to " + text(child) + " in a tree of " + text(tree.node_count) +
                     " nodes and " + text(tree.leaf_count) + " leaves");
            }
        }
    }
}

} // namespace

void Cascade::validate() const {
    if (window_width < 3 || window_height < 3 || window_width > max_window || window_height > max_window) {
        fail("the window is " + text(window_width) + " x " + text(window_height) + "; 3 to " + text(max_window) + " are read");
    }
    if (stages.empty() || trees.empty() || nodes.empty() || features.empty()) {
        fail("there are no stages, trees, nodes or features");
    }
    const auto finite = [](float v) { return std::isfinite(v); };
    if (!std::all_of(leaves.begin(), leaves.end(), finite) || !std::all_of(tables.begin(), tables.end(), finite)) {
        fail("a leaf value is not finite");
    }
    for (std::size_t i = 0; i < features.size(); ++i) {
        check_feature(*this, i);
    }
    for (std::size_t i = 0; i < trees.size(); ++i) {
        check_tree(*this, i);
    }
    for (std::size_t i = 0; i < stages.size(); ++i) {
        const Stage& s = stages[i];
        if (s.tree_count < 1 || !part_of(s.first_tree, s.tree_count, trees.size())) {
            fail("stage " + text(static_cast<std::int64_t>(i)) + " asks for trees " + text(s.first_tree) + " to " +
                 text(static_cast<std::int64_t>(s.first_tree) + s.tree_count) + " of " +
                 text(static_cast<std::int64_t>(trees.size())));
        }
        if (std::isnan(s.threshold)) {
            fail("stage " + text(static_cast<std::int64_t>(i)) + " has a threshold that is not a number");
        }
    }
}

bool Cascade::all_stumps() const noexcept {
    return std::all_of(trees.begin(), trees.end(), [](const Tree& t) { return t.node_count == 1; });
}

bool Cascade::any_tilted() const noexcept {
    return std::any_of(features.begin(), features.end(), [](const Feature& f) { return f.tilted != 0; });
}

} // namespace fk::cascade
