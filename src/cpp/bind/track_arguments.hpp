// The arguments of tracking beside its two frames, judged by infer(): the same for the processor and for devices.
#pragma once

#include "bind/convert.hpp"
#include "ops/flow_lk/flow_lk.hpp"

namespace fk {

struct TrackSettings {
    std::int64_t window, levels, iterations;
    double epsilon, min_eigenvalue;
};

struct TrackArguments {
    TrackArguments(const pyramid::Shape& from, const pyramid::Shape& to, const py::object& pts, const py::object& guess,
                   const TrackSettings& settings);

    py::array point_owner, guess_owner;
    const float* points;
    const float* guess; // or null
    flow_lk::Shape shape;
};

} // namespace fk
