// Grouping of overlapping boxes: equivalence classes under "similar", each replaced by its mean box.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "ops/cascade/cascade.hpp"

namespace fk::cascade {
namespace {

bool similar(const Rect& a, const Rect& b, double epsilon) {
    const double delta = epsilon * (std::min(a.width, b.width) + std::min(a.height, b.height)) * 0.5;
    return std::abs(a.x - b.x) <= delta && std::abs(a.y - b.y) <= delta && std::abs(a.x + a.width - b.x - b.width) <= delta &&
           std::abs(a.y + a.height - b.y - b.height) <= delta;
}

std::size_t root_of(std::vector<std::size_t>& parent, std::size_t i) {
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

// Labels 0..n-1 in the order in which a class is first met. Boxes are visited sorted by x, so that only those
// whose left edges lie within the largest possible delta are compared.
std::vector<std::size_t> partition(const std::vector<Rect>& boxes, double epsilon, std::size_t& classes) {
    const std::size_t n = boxes.size();
    std::vector<std::size_t> parent(n), order(n);
    std::iota(parent.begin(), parent.end(), std::size_t{0});
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return boxes[a].x < boxes[b].x; });
    for (std::size_t i = 0; i < n; ++i) {
        const Rect& a = boxes[order[i]];
        const double reach = epsilon * (a.width + a.height) * 0.5;
        for (std::size_t j = i + 1; j < n && boxes[order[j]].x - a.x <= reach; ++j) {
            if (similar(a, boxes[order[j]], epsilon)) {
                const std::size_t p = root_of(parent, order[i]), q = root_of(parent, order[j]);
                if (p != q) {
                    parent[std::max(p, q)] = std::min(p, q);
                }
            }
        }
    }
    std::vector<std::size_t> label(n, n), result(n);
    classes = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t root = root_of(parent, i);
        if (label[root] == n) {
            label[root] = classes++;
        }
        result[i] = label[root];
    }
    return result;
}

struct Group {
    std::int64_t x = 0, y = 0, width = 0, height = 0;
    std::int32_t count = 0;
    double vote = -std::numeric_limits<double>::infinity();
};

// Mean in float32 and rounded half to even: what the boxes of this file format are compared with is rounded so.
Rect mean_box(const Group& g) {
    const float s = 1.0F / static_cast<float>(g.count);
    const auto mean = [s](std::int64_t total) {
        return static_cast<std::int32_t>(std::lrint(static_cast<float>(static_cast<std::int32_t>(total)) * s));
    };
    return {mean(g.x), mean(g.y), mean(g.width), mean(g.height)};
}

// A weak group inside a stronger one is dropped.
bool swallowed(const Rect& inner, std::int32_t inner_count, const Rect& outer, std::int32_t outer_count, double epsilon) {
    const auto dx = static_cast<std::int32_t>(std::lrint(outer.width * epsilon));
    const auto dy = static_cast<std::int32_t>(std::lrint(outer.height * epsilon));
    return inner.x >= outer.x - dx && inner.y >= outer.y - dy && inner.x + inner.width <= outer.x + outer.width + dx &&
           inner.y + inner.height <= outer.y + outer.height + dy && (outer_count > std::max(3, inner_count) || inner_count < 3);
}

} // namespace

void group_rectangles(std::vector<Rect>& boxes, std::int32_t threshold, double epsilon, std::vector<std::int32_t>& counts,
                      std::vector<double>& votes) {
    if (threshold <= 0 || boxes.empty()) {
        counts.assign(boxes.size(), 1);
        return;
    }
    std::size_t classes = 0;
    const std::vector<std::size_t> label = partition(boxes, epsilon, classes);
    std::vector<Group> groups(classes);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        Group& g = groups[label[i]];
        g.x += boxes[i].x;
        g.y += boxes[i].y;
        g.width += boxes[i].width;
        g.height += boxes[i].height;
        g.vote = std::max(g.vote, votes[i]);
        ++g.count;
    }
    std::erase_if(groups, [threshold](const Group& g) { return g.count <= threshold; });
    std::vector<Rect> means(groups.size());
    std::transform(groups.begin(), groups.end(), means.begin(), mean_box);
    boxes.clear();
    counts.clear();
    votes.clear();
    for (std::size_t i = 0; i < groups.size(); ++i) {
        bool keep = true;
        for (std::size_t j = 0; j < groups.size() && keep; ++j) {
            keep = i == j || !swallowed(means[i], groups[i].count, means[j], groups[j].count, epsilon);
        }
        if (!keep) {
            continue;
        }
        boxes.push_back(means[i]);
        counts.push_back(groups[i].count);
        votes.push_back(groups[i].vote);
    }
}

} // namespace fk::cascade
