// Landmarks: cascades of regression trees, and what grows them.
#include <pybind11/stl.h>

#include <cmath>

#include "base/scratch.hpp"
#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/convert.hpp"
#include "ops/trees/grow.hpp"
#include "ops/trees/trees.hpp"

namespace fk {

namespace {

using trees::Ensemble;
using trees::Frame;

std::string shape_of(const std::vector<std::int64_t>& dims) {
    std::string text = "[";
    for (const std::int64_t n : dims) {
        text += (text.size() > 1 ? ", " : "") + std::to_string(n);
    }
    return text + "]";
}

// A dense array of exactly this shape; -1: any.
template <class T>
const T* exact_in(const py::object& object, const char* name, const std::vector<std::int64_t>& dims, py::array& owner) {
    const int rank = static_cast<int>(dims.size());
    const T* data = dense_in<T>(object, name, rank, rank, owner);
    for (int d = 0; d < rank; ++d) {
        const std::int64_t wanted = dims[static_cast<std::size_t>(d)];
        require(wanted < 0 || owner.shape(d) == wanted, name, " has shape ", shape_text(owner), ", expected ", shape_of(dims));
    }
    return data;
}

template <class T> std::vector<T> copy_in(const py::object& object, const char* name, const std::vector<std::int64_t>& dims) {
    py::array owner;
    const T* data = exact_in<T>(object, name, dims, owner);
    return std::vector<T>(data, data + owner.size());
}

std::int64_t length(const py::object& object, const char* name, int rank, int axis) {
    const py::array array = as_array(object, name);
    require(array.ndim() == rank, name, " has shape ", shape_text(array), "; it must have ", rank, " axes");
    return array.shape(axis);
}

// [points, 2], [L, F], [L, F, 2], [L, T, S], [L, T, S], int8 [L, T, S + 1, K], float32 [L, K, points, 2]
Ensemble make_ensemble(const py::object& mean, const py::object& anchors, const py::object& offsets, const py::object& pairs,
                       const py::object& thresholds, const py::object& codes, const py::object& basis) {
    Ensemble e;
    const std::int64_t points = length(mean, "mean", 2, 0), levels = length(anchors, "anchors", 2, 0);
    const std::int64_t pool = length(anchors, "anchors", 2, 1), trees = length(pairs, "pairs", 3, 1);
    const std::int64_t splits = length(pairs, "pairs", 3, 2), rank = length(codes, "codes", 4, 3);
    require(std::max({points, levels, pool, trees, splits, rank}) < (1 << 20) && splits >= 1 && ((splits + 1) & splits) == 0,
            "pairs has shape ", shape_text(as_array(pairs, "pairs")), "; whole trees have 1, 3, 7, 15 ... splits");
    e.points = static_cast<std::int32_t>(points);
    e.levels = static_cast<std::int32_t>(levels);
    e.trees = static_cast<std::int32_t>(trees);
    e.pool = static_cast<std::int32_t>(pool);
    e.rank = static_cast<std::int32_t>(rank);
    while (e.splits() < splits) {
        ++e.depth;
    }
    e.mean = copy_in<float>(mean, "mean", {points, 2});
    e.anchors = copy_in<std::int32_t>(anchors, "anchors", {levels, pool});
    e.offsets = copy_in<float>(offsets, "offsets", {levels, pool, 2});
    e.pairs = copy_in<std::int32_t>(pairs, "pairs", {levels, trees, splits});
    e.thresholds = copy_in<float>(thresholds, "thresholds", {levels, trees, splits});
    e.codes = copy_in<std::int8_t>(codes, "codes", {levels, trees, splits + 1, rank});
    e.codes.resize(e.codes.size() + trees_padding * 4);
    e.basis = copy_in<float>(basis, "basis", {levels, rank, points, 2});
    e.validate();
    require(rank >= 1, "codes has no columns");
    return e;
}

Ensemble from_dlib(const py::bytes& data) {
    const std::string_view bytes = data;
    const py::gil_scoped_release release;
    return trees::read_dlib({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

struct Faces {
    py::array picture_owner, frame_owner;
    View<const std::uint8_t> pictures;
    const Frame* frames = nullptr;
    trees::Shape shape{};

    Faces(const py::object& gray, const py::object& frame_array) {
        static_assert(sizeof(Frame) == 4 * sizeof(double));
        pictures = view_in<std::uint8_t>(gray, "gray", 2, 3, picture_owner);
        frames = reinterpret_cast<const Frame*>(exact_in<double>(frame_array, "frames", {-1, 4}, frame_owner));
        const std::size_t axis = pictures.rank == 3 ? 1 : 0;
        const std::int64_t faces = frame_owner.shape(0);
        require(pictures.rank == 2 || pictures.dims[0] == faces, "gray has shape ", shape_text(picture_owner), " for ", faces,
                " frames");
        shape = trees::infer({.pictures = pictures.rank == 3 ? pictures.dims[0] : 0,
                              .height = pictures.dims[axis],
                              .width = pictures.dims[axis + 1],
                              .frames = frames,
                              .faces = faces});
    }
    [[nodiscard]] trees::Picture picture(std::int64_t face) const {
        const std::size_t axis = shape.shared ? 0 : 1;
        return {.pixels = pictures.data + (shape.shared ? 0 : face * pictures.strides[0]),
                .row = pictures.strides[axis],
                .column = pictures.strides[axis + 1],
                .height = shape.height,
                .width = shape.width};
    }
};

void check_shapes(const py::array& shapes, const float* data) {
    // Look-ups are defined for any place; a start of 1e6 boxes away is a mistake of the caller's.
    const bool fit = std::all_of(data, data + shapes.size(), [](float v) { return std::abs(v) <= 1e6F; });
    require(fit, "starts must be finite and within 1e6");
}

py::array_t<float> run(const Ensemble& e, const py::object& gray, const py::object& frames,
                       const std::optional<py::object>& starts) {
    const Faces faces(gray, frames);
    py::array start_owner;
    const float* start = nullptr;
    if (starts.has_value() && !starts->is_none()) {
        start = exact_in<float>(*starts, "starts", {faces.shape.faces, e.points, 2}, start_owner);
        check_shapes(start_owner, start);
    }
    py::array_t<float> points({static_cast<py::ssize_t>(faces.shape.faces), py::ssize_t{e.points}, py::ssize_t{2}});
    float* to = points.mutable_data();
    const py::gil_scoped_release release;
    const int threads = chosen_threads();
    const trees::Plan plan(e, faces.shape, threads);
    Scratch scratch(plan.scratch(), threads);
    plan.run(faces.pictures, faces.frames, start, to, scratch);
    return points;
}

// What a level looks up for each sample, and the similarity (a, b) from the mean shape to its shape.
py::tuple look(const py::object& gray, const py::object& frames, const py::object& shapes, const py::object& mean,
               const py::object& anchors, const py::object& offsets) {
    const Faces faces(gray, frames);
    py::array shape_owner, mean_owner, anchor_owner, offset_owner;
    const float* mean_points = exact_in<float>(mean, "mean", {-1, 2}, mean_owner);
    const std::int64_t points = mean_owner.shape(0);
    const float* shape = exact_in<float>(shapes, "shapes", {faces.shape.faces, points, 2}, shape_owner);
    const std::int32_t* anchor = exact_in<std::int32_t>(anchors, "anchors", {-1}, anchor_owner);
    const std::int64_t pool = anchor_owner.shape(0);
    const float* offset = exact_in<float>(offsets, "offsets", {pool, 2}, offset_owner);
    require(points >= 2 && points <= trees::most_points && pool <= trees::most_pool, "there are ", points, " points and ", pool,
            " anchors; 2 to ", trees::most_points, " and up to ", trees::most_pool, " are possible");
    require(std::all_of(anchor, anchor + pool, [&](std::int32_t a) { return a >= 0 && a < points; }),
            "anchors must be points, 0 to ", points - 1);
    check_shapes(shape_owner, shape);
    py::array_t<std::uint8_t> pixels({static_cast<py::ssize_t>(faces.shape.faces), static_cast<py::ssize_t>(pool)});
    py::array_t<float> turns({static_cast<py::ssize_t>(faces.shape.faces), py::ssize_t{2}});
    std::uint8_t* to = pixels.mutable_data();
    float* turned = turns.mutable_data();
    {
        const py::gil_scoped_release release;
        parallel_for(static_cast<int>(faces.shape.faces), chosen_threads(), [&](int i, int) {
            const float* s = shape + i * points * 2;
            const trees::Turn turn = trees::turn_between(mean_points, s, static_cast<std::int32_t>(points));
            trees::look(faces.picture(i), faces.frames[i], s, turn, anchor, offset, static_cast<std::int32_t>(pool),
                        to + i * pool);
            turned[2 * i] = turn.a;
            turned[2 * i + 1] = turn.b;
        });
    }
    return py::make_tuple(pixels, turns);
}

template <class T> py::array_t<T> array_out(const std::vector<T>& values, const std::vector<py::ssize_t>& shape) {
    return py::array_t<T>(shape, values.data());
}

py::tuple grow(const py::object& pixels, py::array_t<float> residuals, const py::object& weights, const py::object& positions,
               const py::object& units, std::int32_t trees, std::int32_t depth, std::int32_t candidates, double reach,
               double shrinkage, double damping, double share, std::uint64_t seed) {
    py::array pixel_owner, residual_owner, weight_owner, position_owner, unit_owner;
    trees::GrowParams p;
    p.pixels = exact_in<std::uint8_t>(pixels, "pixels", {-1, -1}, pixel_owner);
    p.samples = pixel_owner.shape(0);
    exact_in<float>(residuals, "residuals", {p.samples, -1}, residual_owner);
    require(pixel_owner.shape(1) <= trees::most_pool / 2 && residual_owner.shape(1) <= 256, "pixels has shape ",
            shape_text(pixel_owner), ", residuals ", shape_text(residual_owner), "; up to 32768 and 256 columns are possible");
    p.pool = static_cast<std::int32_t>(pixel_owner.shape(1));
    p.rank = static_cast<std::int32_t>(residual_owner.shape(1));
    p.residuals = residuals.mutable_data();
    p.weights = exact_in<float>(weights, "weights", {p.samples}, weight_owner);
    p.positions = exact_in<float>(positions, "positions", {p.pool, 2}, position_owner);
    p.units = exact_in<float>(units, "units", {p.rank}, unit_owner);
    p.trees = trees;
    p.depth = depth;
    p.candidates = candidates;
    p.reach = reach;
    p.shrinkage = shrinkage;
    p.damping = damping;
    p.share = share;
    p.seed = seed;
    p.threads = chosen_threads();
    trees::Grown grown;
    {
        const py::gil_scoped_release release;
        grown = trees::grow(p);
    }
    const py::ssize_t splits = (py::ssize_t{1} << depth) - 1;
    return py::make_tuple(array_out(grown.pairs, {trees, splits}), array_out(grown.thresholds, {trees, splits}),
                          array_out(grown.codes, {trees, splits + 1, p.rank}));
}

py::tuple cost(const Ensemble& e, std::int64_t faces) {
    const Cost c = trees::cost(e, {.faces = faces, .height = 1, .width = 1, .shared = true});
    return py::make_tuple(c.flops, c.bytes_read, c.bytes_written);
}

} // namespace

void bind_landmarks(py::module_& m) {
    using namespace py::literals;
    py::class_<Ensemble>(m, "Trees")
        .def(py::init(&make_ensemble), "mean"_a, "anchors"_a, "offsets"_a, "pairs"_a, "thresholds"_a, "codes"_a, "basis"_a)
        .def_static("from_dlib", &from_dlib, "data"_a)
        .def_readonly("points", &Ensemble::points)
        .def_readonly("levels", &Ensemble::levels)
        .def_readonly("trees", &Ensemble::trees)
        .def_readonly("depth", &Ensemble::depth)
        .def_readonly("pool", &Ensemble::pool)
        .def_readonly("rank", &Ensemble::rank)
        .def("run", &run, "gray"_a, "frames"_a, "starts"_a)
        .def("cost", &cost, "faces"_a);
    m.def("trees_look", &look, "gray"_a, "frames"_a, "shapes"_a, "mean"_a, "anchors"_a, "offsets"_a);
    m.def("trees_grow", &grow, "pixels"_a, "residuals"_a.noconvert(), "weights"_a, "positions"_a, "units"_a, "trees"_a, "depth"_a,
          "candidates"_a, "reach"_a, "shrinkage"_a, "damping"_a, "share"_a, "seed"_a);
}

} // namespace fk
