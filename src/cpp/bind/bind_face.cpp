// Finding faces: cascades, grouping, and cut-outs for the networks that look at what was found.
#include <pybind11/stl.h>

#include <cmath>

#include "bind/bind.hpp"
#include "bind/cascade_arguments.hpp"
#include "bind/convert.hpp"
#include "bind/image_arguments.hpp"
#include "ops/cascade/cascade.hpp"
#include "ops/cascade/crop.hpp"
#include "ops/cascade/pyramid.hpp"

namespace fk {

namespace {

using cascade::Cascade;
using cascade::Params;

template <class T> struct Table {
    py::array owner;
    View<const T> view;
    Table(const py::object& object, const char* name, int rank) {
        view = view_in<T>(object, name, rank, rank, owner);
        require(view.contiguous(), name, " must be C-contiguous; pass numpy.ascontiguousarray(", name, ")");
    }
    [[nodiscard]] std::int64_t rows() const { return view.dims[0]; }
    [[nodiscard]] const T* row(std::int64_t i) const { return view.data + i * view.strides[0]; }
    void columns(const char* name, std::int64_t axis, std::int64_t wanted) const {
        const std::int64_t have = view.dims[static_cast<std::size_t>(axis)];
        require(have == wanted, name, " has ", have, " entries along axis ", axis, ", expected ", wanted);
    }
};

std::vector<cascade::Feature> features_in(const py::object& rects, const py::object& weights, const py::object& tilted) {
    const Table<std::int32_t> r(rects, "rects", 3), t(tilted, "tilted", 1);
    const Table<float> w(weights, "weights", 2);
    r.columns("rects", 1, 3);
    r.columns("rects", 2, 4);
    w.columns("weights", 0, r.rows());
    w.columns("weights", 1, 3);
    t.columns("tilted", 0, r.rows());
    std::vector<cascade::Feature> features(static_cast<std::size_t>(r.rows()));
    for (std::int64_t i = 0; i < r.rows(); ++i) {
        cascade::Feature& f = features[static_cast<std::size_t>(i)];
        for (int k = 0; k < 3; ++k) {
            const std::int32_t* q = r.row(i) + 4 * k;
            f.rects[k] = {q[0], q[1], q[2], q[3]};
            f.weights[k] = w.row(i)[k];
        }
        f.tilted = t.row(i)[0];
    }
    return features;
}

void structure_in(Cascade& c, const py::object& nodes, const py::object& thresholds, const py::object& trees,
                  const py::object& stages, const py::object& stage_thresholds) {
    const Table<std::int32_t> n(nodes, "nodes", 2), t(trees, "trees", 2), s(stages, "stages", 2);
    const Table<float> node_threshold(thresholds, "thresholds", 1), stage_threshold(stage_thresholds, "stage_thresholds", 1);
    n.columns("nodes", 1, 4);
    t.columns("trees", 1, 4);
    s.columns("stages", 1, 2);
    node_threshold.columns("thresholds", 0, n.rows());
    stage_threshold.columns("stage_thresholds", 0, s.rows());
    for (std::int64_t i = 0; i < n.rows(); ++i) {
        const std::int32_t* q = n.row(i);
        c.nodes.push_back({q[0], node_threshold.row(i)[0], q[1], q[2], q[3]});
    }
    for (std::int64_t i = 0; i < t.rows(); ++i) {
        const std::int32_t* q = t.row(i);
        c.trees.push_back({q[0], q[1], q[2], q[3]});
    }
    for (std::int64_t i = 0; i < s.rows(); ++i) {
        c.stages.push_back({s.row(i)[0], s.row(i)[1], stage_threshold.row(i)[0]});
    }
}

py::tuple scan(const Cascade& c, const py::object& gray, double scale_factor, std::array<std::int64_t, 2> min_size,
               std::array<std::int64_t, 2> max_size, int step) {
    py::array owner;
    const cascade::Image image = image_in(gray, owner);
    const Params params = cascade_params_in(scale_factor, min_size, max_size, step);
    const cascade::Leaves leaves = cascade::choose_leaves(c);
    std::vector<cascade::Hit> hits;
    {
        const py::gil_scoped_release release;
        hits = cascade::scan(c, params, image, leaves);
    }
    return hits_out(hits);
}

py::tuple group(const py::object& boxes, const py::object& votes, int threshold, double epsilon) {
    const Table<std::int32_t> b(boxes, "boxes", 2);
    const Table<double> v(votes, "votes", 1);
    b.columns("boxes", 1, 4);
    v.columns("votes", 0, b.rows());
    std::vector<cascade::Rect> rects;
    rects.reserve(static_cast<std::size_t>(b.rows()));
    for (std::int64_t i = 0; i < b.rows(); ++i) {
        rects.push_back({b.row(i)[0], b.row(i)[1], b.row(i)[2], b.row(i)[3]});
    }
    std::vector<double> best(v.view.data, v.view.data + v.rows());
    std::vector<std::int32_t> counts;
    {
        const py::gil_scoped_release release;
        cascade::group_rectangles(rects, threshold, epsilon, counts, best);
    }
    const auto n = static_cast<py::ssize_t>(rects.size());
    py::array_t<std::int32_t> out({n, py::ssize_t{4}});
    std::int32_t* to = out.mutable_data();
    for (const cascade::Rect& r : rects) {
        for (const std::int32_t x : {r.x, r.y, r.width, r.height}) {
            *to++ = x;
        }
    }
    return py::make_tuple(out, py::array_t<std::int32_t>(n, counts.data()), py::array_t<double>(n, best.data()));
}

py::array_t<std::uint8_t> resize_fixed(const py::object& gray, std::int64_t height, std::int64_t width) {
    py::array owner;
    const cascade::Image image = image_in(gray, owner);
    require(height >= 1 && width >= 1 && height <= max_picture_side && width <= max_picture_side, "height = ", height,
            ", width = ", width, ": both must be from 1 to ", max_picture_side);
    py::array_t<std::uint8_t> out({height, width});
    std::uint8_t* to = out.mutable_data();
    const cascade::Leaves leaves = cascade::choose_leaves({});
    const py::gil_scoped_release release;
    cascade::LevelRows rows(image, static_cast<std::int32_t>(width), static_cast<std::int32_t>(height), leaves);
    for (std::int64_t y = 0; y < height; ++y) {
        const std::uint8_t* row = rows.next();
        std::copy(row, row + width, to + y * width);
    }
    return out;
}

py::array_t<float> crop_squares(const py::object& gray, const py::object& squares, int size) {
    py::array owner;
    const cascade::Image image = image_in(gray, owner);
    const Table<double> boxes(squares, "squares", 2);
    boxes.columns("squares", 1, 3);
    require(size >= 1 && size <= 1024, "size is ", size, "; it must be from 1 to 1024 pixels");
    for (std::int64_t i = 0; i < boxes.rows(); ++i) {
        const double* b = boxes.row(i);
        const double limit = 4.0 * max_picture_side;
        require(std::abs(b[0]) <= limit && std::abs(b[1]) <= limit && b[2] > 0.0 && b[2] <= limit, "squares[", i, "] is x ", b[0],
                ", y ", b[1], ", side ", b[2], "; the side must be positive and all within ", limit, " pixels");
    }
    py::array_t<float> out({static_cast<py::ssize_t>(boxes.rows()), py::ssize_t{size}, py::ssize_t{size}});
    float* to = out.mutable_data();
    const py::gil_scoped_release release;
    for (std::int64_t i = 0; i < boxes.rows(); ++i, to += static_cast<std::ptrdiff_t>(size) * size) {
        cascade::crop(image, {boxes.row(i)[0], boxes.row(i)[1], boxes.row(i)[2]}, size, to);
        cascade::standardise(to, size * size);
    }
    return out;
}

py::tuple suppress(const py::object& squares, const py::object& scores, double overlap, double inside) {
    const Table<double> boxes(squares, "squares", 2), votes(scores, "scores", 1);
    boxes.columns("squares", 1, 3);
    votes.columns("scores", 0, boxes.rows());
    std::vector<cascade::SquareBox> list;
    list.reserve(static_cast<std::size_t>(boxes.rows()));
    for (std::int64_t i = 0; i < boxes.rows(); ++i) {
        list.push_back({boxes.row(i)[0], boxes.row(i)[1], boxes.row(i)[2]});
    }
    const std::vector<double> values(votes.view.data, votes.view.data + votes.rows());
    std::vector<cascade::Kept> kept;
    {
        const py::gil_scoped_release release;
        kept = cascade::suppress(list, values, overlap, inside);
    }
    const auto n = static_cast<py::ssize_t>(kept.size());
    py::array_t<std::int64_t> index(n);
    py::array_t<std::int32_t> count(n);
    for (py::ssize_t i = 0; i < n; ++i) {
        index.mutable_data()[i] = kept[static_cast<std::size_t>(i)].index;
        count.mutable_data()[i] = kept[static_cast<std::size_t>(i)].count;
    }
    return py::make_tuple(index, count);
}

// (sum, sum of squares or None, tilted sum or None)
py::tuple integral_images(const py::object& gray, bool squared, bool tilted) {
    const IntegralArguments a(gray, squared, tilted);
    const std::vector<py::ssize_t> size{a.x.dims[0] + 1, a.x.dims[1] + 1};
    py::array_t<std::int32_t> sum(size);
    py::object squares = py::none();
    py::object triangles = py::none();
    std::int64_t* squares_to = nullptr;
    std::int32_t* triangles_to = nullptr;
    if (squared) {
        py::array_t<std::int64_t> made(size);
        squares_to = made.mutable_data();
        squares = std::move(made);
    }
    if (tilted) {
        py::array_t<std::int32_t> made(size);
        triangles_to = made.mutable_data();
        triangles = std::move(made);
    }
    std::int32_t* sum_to = sum.mutable_data();
    {
        const py::gil_scoped_release release;
        integral::run(a.shape, a.x.data, a.x.strides[0], sum_to, squares_to, triangles_to);
    }
    return py::make_tuple(sum, squares, triangles);
}

Cascade make_cascade(bool lbp, std::array<std::int32_t, 2> window, bool cumulative, const py::object& rects,
                     const py::object& weights, const py::object& tilted, const py::object& nodes, const py::object& thresholds,
                     const py::object& leaves, const py::object& tables, const py::object& trees, const py::object& stages,
                     const py::object& stage_thresholds) {
    Cascade c;
    c.kind = lbp ? cascade::FeatureKind::lbp : cascade::FeatureKind::haar;
    c.window_width = window[0];
    c.window_height = window[1];
    c.cumulative = cumulative;
    c.features = features_in(rects, weights, tilted);
    structure_in(c, nodes, thresholds, trees, stages, stage_thresholds);
    const Table<float> leaf(leaves, "leaves", 1), table(tables, "tables", 1);
    c.leaves.assign(leaf.view.data, leaf.view.data + leaf.rows());
    c.tables.assign(table.view.data, table.view.data + table.rows());
    c.validate();
    return c;
}

} // namespace

void bind_face(py::module_& m) {
    using namespace py::literals;
    py::class_<Cascade>(m, "Cascade")
        .def(py::init(&make_cascade), "lbp"_a, "window"_a, "cumulative"_a, "rects"_a, "weights"_a, "tilted"_a, "nodes"_a,
             "thresholds"_a, "leaves"_a, "tables"_a, "trees"_a, "stages"_a, "stage_thresholds"_a)
        .def("scan", &scan, "gray"_a, "scale_factor"_a, "min_size"_a, "max_size"_a, "step"_a)
        .def(
            "scales",
            [](const Cascade& c, std::int32_t width, std::int32_t height, double factor, std::array<std::int64_t, 2> min_size,
               std::array<std::int64_t, 2> max_size) {
                return cascade::scales(c, cascade_params_in(factor, min_size, max_size, 0), width, height);
            },
            "width"_a, "height"_a, "scale_factor"_a, "min_size"_a, "max_size"_a)
        .def(
            "cost",
            [](const Cascade& c, std::int32_t width, std::int32_t height, double factor, std::array<std::int64_t, 2> min_size) {
                const Cost cost = cascade::cost(c, cascade_params_in(factor, min_size, {0, 0}, 0), width, height);
                return py::make_tuple(cost.flops, cost.bytes_read, cost.bytes_written);
            },
            "width"_a, "height"_a, "scale_factor"_a, "min_size"_a);
    m.def("cascade_group", &group, "boxes"_a, "votes"_a, "threshold"_a, "epsilon"_a);
    m.def("integral", &integral_images, "gray"_a, "squared"_a, "tilted"_a);
    m.def("resize_fixed", &resize_fixed, "gray"_a, "height"_a, "width"_a);
    m.def("suppress", &suppress, "squares"_a, "scores"_a, "overlap"_a, "inside"_a);
    m.def("crop_squares", &crop_squares, "gray"_a, "squares"_a, "size"_a);
}

} // namespace fk
