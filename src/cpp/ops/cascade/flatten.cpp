#include "ops/cascade/flatten.hpp"

namespace fk::cascade {
namespace {

std::size_t up(std::int32_t n) { return static_cast<std::size_t>(n); }

void place_rect(const Placement& place, const Rect& r, bool tilted, std::int32_t* corners) {
    const std::int32_t x = r.x, y = r.y, w = r.width, h = r.height;
    const std::int32_t at[4][2] = {{x, y},
                                   {tilted ? x - h : x + w, tilted ? y + h : y},
                                   {tilted ? x + w : x, tilted ? y + w : y + h},
                                   {tilted ? x + w - h : x + w, tilted ? y + w + h : y + h}};
    for (int i = 0; i < 4; ++i) {
        corners[i] = place(at[i][0], at[i][1]);
    }
}

FlatNode flat_node(const Cascade& c, const Node& n, const Tree& t, const Placement& place) {
    const Feature& f = c.features[up(n.feature)];
    FlatNode out{};
    out.threshold = n.threshold;
    out.table = n.table;
    out.left = n.left;
    out.right = n.right;
    out.tilted = f.tilted;
    if (t.node_count == 1 && c.kind == FeatureKind::haar) {
        out.left_value = c.leaves[up(t.first_leaf - n.left)];
        out.right_value = c.leaves[up(t.first_leaf - n.right)];
    }
    if (c.kind == FeatureKind::lbp) {
        const Rect& r = f.rects[0];
        for (std::int32_t i = 0; i < 16; ++i) {
            out.corners[i] = place(r.x + (i % 4) * r.width, r.y + (i / 4) * r.height);
        }
        return out;
    }
    out.rects = (f.weights[2] != 0.0F) ? 3 : 2;
    for (int r = 0; r < out.rects; ++r) {
        out.weights[r] = f.weights[r];
        if (r == 0 || f.weights[r] != 0.0F) {
            place_rect(place, f.rects[r], f.tilted != 0, out.corners + 4 * r);
        }
    }
    return out;
}

} // namespace

Flat flatten(const Cascade& c, const Placement& place) {
    Flat f;
    f.nodes.reserve(c.nodes.size());
    for (const Tree& t : c.trees) {
        f.trees.push_back({static_cast<std::int32_t>(f.nodes.size()), t.node_count, t.first_leaf});
        for (std::int32_t i = 0; i < t.node_count; ++i) {
            f.nodes.push_back(flat_node(c, c.nodes[up(t.first_node + i)], t, place));
        }
    }
    for (const Stage& s : c.stages) {
        f.stages.push_back({s.first_tree, s.tree_count, s.threshold});
    }
    const Rect norm{1, 1, c.window_width - 2, c.window_height - 2};
    Program& p = f.program;
    p.lbp = c.kind == FeatureKind::lbp ? 1 : 0;
    p.stumps = c.all_stumps() ? 1 : 0;
    p.cumulative = c.cumulative ? 1 : 0;
    p.stage_count = static_cast<std::int32_t>(f.stages.size());
    p.stages = f.stages.data();
    p.trees = f.trees.data();
    p.nodes = f.nodes.data();
    p.leaves = c.leaves.data();
    p.tables = c.tables.data();
    p.area = static_cast<double>(norm.width) * norm.height;
    place_rect(place, norm, false, p.norm);
    return f;
}

} // namespace fk::cascade
