#include "bind/track_arguments.hpp"

namespace fk {

namespace {

const float* points_in(const py::object& object, const char* name, py::array& owner) {
    const float* points = dense_in<float>(object, name, 2, 2, owner);
    require(owner.shape(1) == 2, name, " must have the shape [N, 2], has ", shape_text(owner));
    return points;
}

} // namespace

TrackArguments::TrackArguments(const pyramid::Shape& from, const pyramid::Shape& to, const py::object& pts,
                               const py::object& guess_points, const TrackSettings& settings)
    : points(points_in(pts, "pts", point_owner)),
      guess(guess_points.is_none() ? nullptr : points_in(guess_points, "guess", guess_owner)) {
    const std::int64_t n = point_owner.shape(0);
    require(guess == nullptr || guess_owner.shape(0) == n, "guess has ", guess == nullptr ? 0 : guess_owner.shape(0),
            " points, pts has ", n);
    shape = flow_lk::infer({.from = {from.height, from.width},
                            .to = {to.height, to.width},
                            .from_float = from.is_float != 0,
                            .to_float = to.is_float != 0,
                            .points = n,
                            .window = settings.window,
                            .levels = settings.levels,
                            .iterations = settings.iterations,
                            .epsilon = settings.epsilon,
                            .min_eigenvalue = settings.min_eigenvalue});
}

} // namespace fk
