// The scan: levels from fine to coarse, each in strips of rows that fit into the second-level cache.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "ops/cascade/cascade.hpp"
#include "ops/cascade/leaf.hpp"
#include "ops/cascade/pyramid.hpp"

namespace fk::cascade {
namespace {

constexpr std::int32_t strip_rows = 32; // pixel rows of windows at a time
constexpr std::int32_t lane_padding = 16;

std::int32_t rounded(double v) { return static_cast<std::int32_t>(std::lrint(v)); }
std::size_t up(std::int32_t n) { return static_cast<std::size_t>(n); }

struct Level {
    std::int32_t index, width, height, step, columns, bottom; // window rows: 0, step, ... below bottom
    float scale;
};

// The rows that are scanned come in as many stripes as the finest level has columns / 32; with a step of two an
// odd last row is left out when the stripes divide the rows evenly. Kept, because the boxes depend on it.
Level level_of(const Cascade& c, const Params& p, const Image& image, const std::vector<float>& all, std::size_t i) {
    const auto level = [&](std::size_t k) {
        const float s = all[k];
        Level l{};
        l.index = static_cast<std::int32_t>(k);
        l.scale = s;
        l.width = rounded(static_cast<double>(static_cast<float>(image.width) / s));
        l.height = rounded(static_cast<double>(static_cast<float>(image.height) / s));
        l.step = p.step > 0 ? p.step : (s >= 2.0F ? 1 : 2);
        return l;
    };
    Level l = level(i);
    const std::int32_t across = std::max(l.width + 1 - c.window_width, 0), down = std::max(l.height + 1 - c.window_height, 0);
    const std::int32_t stripes = (std::max(level(0).width + 1 - c.window_width, 0) + 31) / 32;
    l.columns = (across + l.step - 1) / l.step;
    l.bottom = 0;
    if (stripes > 0) {
        l.bottom = std::min(stripes * std::max((down / l.step + stripes - 1) / stripes, 1) * l.step, down);
    }
    return l;
}

// The cascade with corner places for one layout of the strip.
struct Flat {
    std::vector<FlatNode> nodes;
    std::vector<FlatTree> trees;
    std::vector<FlatStage> stages;
    Program program{};
};

void place_rect(const StripBuffer& b, const Rect& r, bool tilted, bool split, std::int32_t* corners) {
    const std::int32_t x = r.x, y = r.y, w = r.width, h = r.height;
    const std::int32_t at[4][2] = {{x, y},
                                   {tilted ? x - h : x + w, tilted ? y + h : y},
                                   {tilted ? x + w : x, tilted ? y + w : y + h},
                                   {tilted ? x + w - h : x + w, tilted ? y + w + h : y + h}};
    for (int i = 0; i < 4; ++i) {
        corners[i] = b.place(at[i][0], at[i][1], split);
    }
}

FlatNode flat_node(const Cascade& c, const Node& n, const Tree& t, const StripBuffer& b, bool split) {
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
            out.corners[i] = b.place(r.x + (i % 4) * r.width, r.y + (i / 4) * r.height, split);
        }
        return out;
    }
    out.rects = (f.weights[2] != 0.0F) ? 3 : 2;
    for (int r = 0; r < out.rects; ++r) {
        out.weights[r] = f.weights[r];
        if (r == 0 || f.weights[r] != 0.0F) {
            place_rect(b, f.rects[r], f.tilted != 0, split, out.corners + 4 * r);
        }
    }
    return out;
}

Flat flatten(const Cascade& c, const StripBuffer& b, bool split) {
    Flat f;
    f.nodes.reserve(c.nodes.size());
    for (const Tree& t : c.trees) {
        f.trees.push_back({static_cast<std::int32_t>(f.nodes.size()), t.node_count, t.first_leaf});
        for (std::int32_t i = 0; i < t.node_count; ++i) {
            f.nodes.push_back(flat_node(c, c.nodes[up(t.first_node + i)], t, b, split));
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
    place_rect(b, norm, false, split, p.norm);
    return f;
}

struct Lists {
    std::vector<std::int32_t> offset, stage;
    std::vector<float> norm;
    std::vector<double> vote;
    explicit Lists(std::size_t n) : offset(n), stage(n), norm(n), vote(n) {}
    [[nodiscard]] Survivors from(std::int32_t i) {
        return {offset.data() + i, stage.data() + i, norm.data() + i, vote.data() + i};
    }
    void copy(std::int32_t to, const Lists& other, std::int32_t from) {
        offset[up(to)] = other.offset[up(from)];
        norm[up(to)] = other.norm[up(from)];
        vote[up(to)] = other.vote[up(from)];
    }
};

// Runs the later stages: the windows that enter at a stage join those that have come through the stages before.
std::int32_t finish(const Program& p, const Strip& strip, const Leaves& k, const Lists& found, std::int32_t count, Lists& work) {
    std::vector<std::int32_t> order(up(count));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return found.stage[up(a)] < found.stage[up(b)]; });
    std::int32_t kept = 0;
    std::size_t next = 0;
    for (std::int32_t stage = 1; stage <= p.stage_count; ++stage) {
        for (; next < order.size() && found.stage[up(order[next])] == stage; ++next) {
            work.copy(kept++, found, order[next]);
        }
        if (stage == p.stage_count || kept == 0) {
            continue;
        }
        for (std::int32_t i = 0; i < lane_padding; ++i) {
            work.copy(kept + i, work, kept - 1);
        }
        kept = k.run_stage(p, strip, stage, kept, work.from(0));
    }
    return kept;
}

void report(const Cascade& c, const Level& l, std::int32_t top, std::int32_t stride, const Lists& work, std::int32_t count,
            std::vector<Hit>& hits) {
    const std::size_t first = hits.size();
    for (std::int32_t i = 0; i < count; ++i) {
        const std::int32_t row = work.offset[up(i)] / (stride * l.step), column = work.offset[up(i)] % (stride * l.step);
        Hit h;
        h.level = l.index;
        h.level_x = column * l.step;
        h.level_y = top + row * l.step;
        h.vote = work.vote[up(i)];
        h.box = {rounded(static_cast<double>(static_cast<float>(h.level_x) * l.scale)),
                 rounded(static_cast<double>(static_cast<float>(h.level_y) * l.scale)),
                 rounded(static_cast<double>(static_cast<float>(c.window_width) * l.scale)),
                 rounded(static_cast<double>(static_cast<float>(c.window_height) * l.scale))};
        hits.push_back(h);
    }
    std::sort(hits.begin() + static_cast<std::ptrdiff_t>(first), hits.end(),
              [](const Hit& a, const Hit& b) { return a.level_y != b.level_y ? a.level_y < b.level_y : a.level_x < b.level_x; });
}

void scan_level(const Cascade& c, const Level& l, const Image& image, const Leaves& k, const Flat& flat, StripBuffer& buffer,
                Lists& found, Lists& work, std::vector<Hit>& hits) {
    LevelRows rows(image, l.width, l.height, k);
    buffer.start(l.width, l.step == 2);
    for (std::int32_t top = 0; top < l.bottom; top += strip_rows) {
        const std::int32_t last = std::min(top + strip_rows, l.bottom);
        const std::int32_t window_rows = (last - top + l.step - 1) / l.step;
        const std::int32_t needed = (window_rows - 1) * l.step + c.window_height + 1;
        while (buffer.held() < needed) {
            buffer.push(rows.next(), k);
        }
        const Strip strip = buffer.view();
        std::int32_t count = 0;
        for (std::int32_t r = 0; r < window_rows; ++r) {
            count += k.scan_row(flat.program, strip, r * l.step * strip.stride, l.columns, found.from(count));
        }
        if (count > 0) {
            report(c, l, top, strip.stride, work, finish(flat.program, strip, k, found, count, work), hits);
        }
        if (last < l.bottom) {
            buffer.drop(strip_rows);
        }
    }
}

} // namespace

std::vector<float> scales(const Cascade& c, const Params& p, std::int32_t width, std::int32_t height) {
    if (!(p.scale_factor > 1.0)) {
        throw ValueError("scale_factor is " + std::to_string(p.scale_factor) + "; it must be greater than 1");
    }
    const std::int32_t max_width = (p.max_width == 0 || p.max_height == 0) ? width : p.max_width;
    const std::int32_t max_height = (p.max_width == 0 || p.max_height == 0) ? height : p.max_height;
    std::vector<float> all, wanted;
    double factor = 1.0;
    while (rounded(c.window_width * factor) <= width && rounded(c.window_height * factor) <= height) {
        all.push_back(static_cast<float>(factor));
        factor *= p.scale_factor;
    }
    std::int64_t nearest = -1;
    float best = 1.0F;
    for (const float s : all) {
        const std::int32_t w = rounded(static_cast<double>(static_cast<float>(c.window_width) * s));
        const std::int32_t h = rounded(static_cast<double>(static_cast<float>(c.window_height) * s));
        const std::int64_t dx = p.min_width - w, dy = p.min_height - h, distance = dx * dx + dy * dy;
        if (nearest < 0 || distance < nearest) {
            nearest = distance;
            best = s;
        }
    }
    for (const float s : all) {
        const std::int32_t w = rounded(static_cast<double>(static_cast<float>(c.window_width) * s));
        const std::int32_t h = rounded(static_cast<double>(static_cast<float>(c.window_height) * s));
        if (w > max_width || h > max_height) {
            break;
        }
        if (w >= p.min_width && h >= p.min_height) {
            wanted.push_back(s);
        }
    }
    if (wanted.empty() && !all.empty()) {
        wanted.push_back(best);
    }
    return wanted;
}

std::vector<Hit> scan(const Cascade& c, const Params& p, const Image& image, const Leaves& k) {
    std::vector<Hit> hits;
    const std::vector<float> all = scales(c, p, image.width, image.height);
    if (all.empty()) {
        return hits;
    }
    const Level finest = level_of(c, p, image, all, 0);
    StripBuffer buffer(finest.width, strip_rows + c.window_height + 1, c.kind == FeatureKind::haar, c.any_tilted());
    const std::size_t windows = up(finest.width + lane_padding) * up(strip_rows) + up(lane_padding);
    Lists found(windows), work(windows);
    const Flat split = flatten(c, buffer, true), natural = flatten(c, buffer, false);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Level l = level_of(c, p, image, all, i);
        scan_level(c, l, image, k, l.step == 2 ? split : natural, buffer, found, work, hits);
    }
    return hits;
}

} // namespace fk::cascade
