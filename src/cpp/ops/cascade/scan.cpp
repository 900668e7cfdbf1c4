// The scan: levels from fine to coarse, each in strips of rows that fit into the second-level cache.
#include <algorithm>
#include <numeric>

#include "ops/cascade/cascade.hpp"
#include "ops/cascade/flatten.hpp"
#include "ops/cascade/leaf.hpp"
#include "ops/cascade/levels.hpp"
#include "ops/cascade/pyramid.hpp"

namespace fk::cascade {
namespace {

constexpr std::int32_t strip_rows = 32; // pixel rows of windows at a time
constexpr std::int32_t lane_padding = 16;

std::size_t up(std::int32_t n) { return static_cast<std::size_t>(n); }

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
        hits.push_back(hit_at(c, l, column * l.step, top + row * l.step, work.vote[up(i)]));
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

std::vector<Hit> scan(const Cascade& c, const Params& p, const Image& image, const Leaves& k) {
    std::vector<Hit> hits;
    const std::vector<Level> all = levels(c, p, image.width, image.height);
    if (all.empty()) {
        return hits;
    }
    const std::int32_t widest = all.front().width;
    StripBuffer buffer(widest, strip_rows + c.window_height + 1, c.kind == FeatureKind::haar, c.any_tilted());
    const std::size_t windows = up(widest + lane_padding) * up(strip_rows) + up(lane_padding);
    Lists found(windows), work(windows);
    const Flat split = flatten(c, buffer.placement(true)), natural = flatten(c, buffer.placement(false));
    for (const Level& l : all) {
        scan_level(c, l, image, k, l.step == 2 ? split : natural, buffer, found, work, hits);
    }
    return hits;
}

} // namespace fk::cascade
