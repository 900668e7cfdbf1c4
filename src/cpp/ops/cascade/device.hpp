// The scan as a device is told it: where the levels of a picture lie in one plane, and which rows, columns and windows there are.
#pragma once

#include <string_view>
#include <vector>

#include "ops/cascade/cascade.hpp"
#include "ops/cascade/levels.hpp"
#include "ops/op.hpp"

namespace fk::cascade {

struct DeviceScan {
    fk_cascade_shape shape{};
    std::vector<fk_cascade_level> levels;
    std::vector<fk_cascade_row> rows;
    std::vector<fk_cascade_tap> taps;
    std::vector<fk_cascade_window_row> window_rows;
};

// Throws ValueError for a picture whose levels do not fit the 32-bit positions in a device's plane. Without levels (a picture
// smaller than the window) everything is empty.
DeviceScan device_scan(const Cascade& cascade, const Params& params, std::int32_t width, std::int32_t height);

// What scan() says of the windows with these numbers, ascending (row * pitch + column), and these votes.
std::vector<Hit> device_hits(const Cascade& cascade, const Params& params, const DeviceScan& scan,
                             const std::vector<std::int32_t>& windows, const std::vector<double>& votes);

Cost cost(const fk_cascade_shape& shape);
// The row of a device's list that serves a shape; throws ValueError where none does.
const DeviceRow<fk_cascade_shape>& choose_device_kernel(const fk_cascade_shape& shape, std::string_view target);

} // namespace fk::cascade
