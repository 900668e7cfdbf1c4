// Greedy suppression: the best square stays, those that lie on it count for it and go.
#include <algorithm>
#include <numeric>

#include "ops/cascade/crop.hpp"

namespace fk::cascade {

namespace {

double common_part(const SquareBox& a, const SquareBox& b) {
    const double width = std::min(a.x + a.side, b.x + b.side) - std::max(a.x, b.x);
    const double height = std::min(a.y + a.side, b.y + b.side) - std::max(a.y, b.y);
    return width > 0 && height > 0 ? width * height : 0.0;
}

} // namespace

std::vector<Kept> suppress(const std::vector<SquareBox>& boxes, const std::vector<double>& scores, double overlap,
                           double inside) {
    std::vector<std::int64_t> order(boxes.size());
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    std::vector<Kept> kept;
    for (const std::int64_t i : order) {
        const SquareBox& box = boxes[static_cast<std::size_t>(i)];
        Kept* better = nullptr;
        for (Kept& k : kept) {
            const SquareBox& other = boxes[static_cast<std::size_t>(k.index)];
            const double common = common_part(box, other);
            const double area = box.side * box.side;
            const double other_area = other.side * other.side;
            if (common > overlap * (area + other_area - common) || common > inside * std::min(area, other_area)) {
                better = &k;
                break;
            }
        }
        if (better != nullptr) {
            ++better->count;
        } else {
            kept.push_back({.index = i, .count = 1});
        }
    }
    return kept;
}

} // namespace fk::cascade
