// Every index that a kernel follows is judged here, once, when an ensemble is made.
#include <algorithm>
#include <cmath>

#include "ops/trees/trees.hpp"

namespace fk::trees {
namespace {

template <class... Parts> void demand(bool condition, const Parts&... parts) {
    if (!condition) {
        throw ModelError(message("trees: ", parts...));
    }
}

void within(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
    demand(value >= least && value <= most, name, " is ", value, "; ", least, " to ", most, " are read");
}

template <class T> void holds(const char* name, const std::vector<T>& values, std::int64_t wanted) {
    demand(static_cast<std::int64_t>(values.size()) == wanted, name, " has ", values.size(), " numbers, expected ", wanted);
}

// A shape that grows beyond this is no face; the bound keeps float32 sums finite.
void small_numbers(const char* name, const std::vector<float>& values, float most) {
    const auto wrong = std::find_if(values.begin(), values.end(), [most](float v) { return !(std::abs(v) <= most); });
    demand(wrong == values.end(), name, " holds ", wrong == values.end() ? 0.0F : *wrong, " at ", wrong - values.begin(),
           "; numbers must be finite and within ", most);
}

} // namespace

void Ensemble::validate() const {
    within("points", points, 2, most_points);
    within("levels", levels, 1, 1 << 12);
    within("trees", trees, 1, 1 << 16);
    within("depth", depth, 1, most_depth);
    within("pool", pool, 2, most_pool);
    within("rank", rank, 0, 256);
    const std::int64_t all = std::int64_t(levels) * trees, count = splits(), numbers = 2 * std::int64_t(points);
    demand(std::int64_t(trees) * (count + 1) <= (1 << 26), "a level has ", trees, " trees of ", count + 1, " leaves");
    holds("mean", mean, numbers);
    holds("anchors", anchors, std::int64_t(levels) * pool);
    holds("offsets", offsets, 2 * std::int64_t(levels) * pool);
    holds("pairs", pairs, all * count);
    holds("thresholds", thresholds, all * count);
    holds("leaves", leaves, rank == 0 ? all * (count + 1) * numbers : 0);
    holds("codes", codes, rank == 0 ? 0 : all * (count + 1) * rank + trees_padding * 4);
    holds("basis", basis, std::int64_t(levels) * rank * numbers);
    small_numbers("mean", mean, 1e3F);
    small_numbers("offsets", offsets, 1e3F);
    small_numbers("thresholds", thresholds, 1e9F);
    small_numbers("leaves", leaves, 1e6F);
    small_numbers("basis", basis, 1e6F);
    const auto spread = [&](std::size_t axis) {
        float least = mean[axis], most = mean[axis];
        for (std::size_t i = axis; i < mean.size(); i += 2) {
            least = std::min(least, mean[i]);
            most = std::max(most, mean[i]);
        }
        return most - least;
    };
    demand(std::max(spread(0), spread(1)) > 1e-6F, "all points of the mean shape lie on each other");
    for (std::size_t i = 0; i < anchors.size(); ++i) {
        demand(anchors[i] >= 0 && anchors[i] < points, "anchor ", i, " is point ", anchors[i], " of ", points);
    }
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto pair = static_cast<std::uint32_t>(pairs[i]);
        demand(static_cast<std::int32_t>(pair & 0xFFFFU) < pool && static_cast<std::int32_t>(pair >> 16U) < pool, "split ", i,
               " compares pixels ", pair & 0xFFFFU, " and ", pair >> 16U, " of ", pool);
    }
}

} // namespace fk::trees
