#include "ops/cascade/device.hpp"

#include <algorithm>

#include "base/tensor.hpp"
#include "ops/cascade/pyramid.hpp"
#include "ops/dims.hpp"

namespace fk::cascade {
namespace {

const std::array device_rows = std::to_array<DeviceRow<fk_cascade_shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/cascade/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("cascade", device_rows);

constexpr std::int64_t line_elements = 128; // lines of the plane are whole multiples: few sets of corners serve all pictures

// Levels stand side by side in shelves, each as high as its first: from fine to coarse they only get smaller.
class Shelves {
  public:
    explicit Shelves(std::int64_t stride) : stride_(stride) {}
    std::int64_t place(std::int64_t height, std::int64_t width) {
        if (x_ + width > stride_) {
            top_ = bottom_;
            x_ = 0;
        }
        bottom_ = std::max(bottom_, top_ + height);
        const std::int64_t at = top_ * stride_ + x_;
        x_ += width;
        return at;
    }
    [[nodiscard]] std::int64_t lines() const { return bottom_; }

  private:
    std::int64_t stride_, x_ = 0, top_ = 0, bottom_ = 0;
};

void add_level(const Level& l, const Axis& across, const Axis& down, std::int64_t origin, DeviceScan& scan) {
    const auto index = static_cast<std::int32_t>(scan.levels.size());
    scan.levels.push_back({.width = l.width,
                           .height = l.height,
                           .origin = checked_int(origin, "position of a level"),
                           .taps = static_cast<std::int32_t>(scan.taps.size()),
                           .step = l.step,
                           .columns = l.columns,
                           .scale = l.scale});
    for (std::size_t i = 0; i < across.at.size(); ++i) {
        scan.taps.push_back({across.at[i], across.weight[i]});
    }
    for (std::size_t i = 0; i < down.at.size(); ++i) {
        scan.rows.push_back({index, static_cast<std::int32_t>(i), down.at[i], down.weight[i]});
    }
    for (std::int32_t y = 0; y < l.bottom && l.columns > 0; y += l.step) {
        scan.window_rows.push_back({index, y});
    }
}

} // namespace

DeviceScan device_scan(const Cascade& c, const Params& p, std::int32_t width, std::int32_t height) {
    DeviceScan scan;
    const std::vector<Level> all = levels(c, p, width, height);
    const std::int64_t stride = all.empty() ? 0 : ceil_div(all.front().width + 1, line_elements) * line_elements;
    Shelves shelves(stride);
    std::int64_t pixels = 0;
    std::int64_t windows = 0;
    std::int32_t pitch = 0;
    for (const Level& l : all) {
        const std::int64_t origin = shelves.place(std::int64_t(l.height) + 1, std::int64_t(l.width) + 1);
        add_level(l, Axis(width, l.width), Axis(height, l.height), origin, scan);
        pixels += std::int64_t(l.width) * l.height;
        windows += std::int64_t(l.columns) * ((l.bottom + l.step - 1) / l.step);
        pitch = std::max(pitch, l.columns);
    }
    checked_int(stride * shelves.lines(), "elements of all levels");
    checked_int(std::int64_t(scan.window_rows.size()) * pitch, "windows of all levels");
    scan.shape = {.height = height,
                  .width = width,
                  .stride = static_cast<std::int32_t>(stride),
                  .lines = static_cast<std::int32_t>(shelves.lines()),
                  .levels = static_cast<std::int32_t>(scan.levels.size()),
                  .rows = static_cast<std::int32_t>(scan.rows.size()),
                  .pixels = checked_int(pixels, "pixels of all levels"),
                  .widest = all.empty() ? 0 : all.front().width,
                  .highest = all.empty() ? 0 : all.front().height,
                  .window_rows = static_cast<std::int32_t>(scan.window_rows.size()),
                  .windows = static_cast<std::int32_t>(windows),
                  .pitch = pitch,
                  .window_height = c.window_height,
                  .window_width = c.window_width,
                  .lbp = c.kind == FeatureKind::lbp ? 1 : 0,
                  .stumps = c.all_stumps() ? 1 : 0,
                  .cumulative = c.cumulative ? 1 : 0,
                  .tilted = c.any_tilted() ? 1 : 0,
                  .stages = static_cast<std::int32_t>(c.stages.size())};
    return scan;
}

std::vector<Hit> device_hits(const Cascade& c, const Params& p, const DeviceScan& scan, const std::vector<std::int32_t>& windows,
                             const std::vector<double>& votes) {
    const std::vector<Level> all = levels(c, p, scan.shape.width, scan.shape.height);
    std::vector<Hit> hits;
    hits.reserve(windows.size());
    for (std::size_t i = 0; i < windows.size(); ++i) {
        const std::int32_t row = windows[i] / scan.shape.pitch;
        require(windows[i] >= 0 && row < scan.shape.window_rows, "window ", windows[i], " is none of the scan's");
        const fk_cascade_window_row& at = scan.window_rows[static_cast<std::size_t>(row)];
        const Level& l = all[static_cast<std::size_t>(at.level)];
        hits.push_back(hit_at(c, l, windows[i] % scan.shape.pitch * l.step, at.y, votes[i]));
    }
    return hits;
}

Cost cost(const fk_cascade_shape& s) {
    // A pixel of a level: six operations to resize it, three for each of its integral images.
    const double images = s.lbp != 0 ? 1.0 : 2.0;
    return {.flops = double(s.pixels) * (6.0 + 3.0 * images), .bytes_read = double(s.width) * s.height, .bytes_written = 0.0};
}

const DeviceRow<fk_cascade_shape>& choose_device_kernel(const fk_cascade_shape& shape, std::string_view target) {
    return choose_device_row("cascade", device_rows, shape, target);
}

} // namespace fk::cascade
