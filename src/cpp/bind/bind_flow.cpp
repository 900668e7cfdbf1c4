// Optical flow: pyramids of frames, tracked points, corners.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/convert.hpp"
#include "bind/device_ops.hpp"
#include "bind/grey_frame.hpp"
#include "bind/track_arguments.hpp"
#include "ops/corners/corners.hpp"

namespace fk {

namespace {

// Pixels by which a point may move on a level before the rest of the pyramids is built: 8, or 64 pixels of the frame on level 3.
constexpr int slack = 8;

// A frame, kept alive, and its pyramid.
class FramePyramid {
  public:
    FramePyramid(const py::object& frame, const char* name) {
        const py::array array = as_array(frame, name);
        if (array.dtype().equal(py::dtype::of<std::uint8_t>())) {
            open<std::uint8_t>(array, name);
        } else if (array.dtype().equal(py::dtype::of<float>())) {
            open<float>(array, name);
        } else {
            throw TypeError(message(name, " must be uint8 or float32, is ", dtype_name(array), "; pass ", name,
                                    ".astype(\"uint8\") or ", name, ".astype(\"float32\")"));
        }
    }
    [[nodiscard]] pyramid::Pyramid& levels() const { return *pyramid_; }
    [[nodiscard]] const pyramid::Shape& shape() const { return pyramid_->shape(); }

    // A copy of a level.
    [[nodiscard]] py::array level(int l) const {
        pyramid::level_shape(shape(), l); // throws where there is none
        return shape().is_float != 0 ? copy<float>(l) : copy<std::uint8_t>(l);
    }

  private:
    template <class T> void open(const py::array& array, const char* name) {
        const View<const T> view = view_in<T>(array, name, 2, 2, owner_);
        const pyramid::Shape shape = pyramid::infer({.name = name,
                                                     .x = {view.dims[0], view.dims[1]},
                                                     .pixel_stride = view.strides[1],
                                                     .is_float = std::is_same_v<T, float>});
        pyramid_ = std::make_unique<pyramid::Pyramid>(view.data, view.strides[0], shape);
    }
    template <class T> [[nodiscard]] py::array copy(int l) const {
        const pyramid::Plan plan(shape(), chosen_threads());
        const Shape2 size = pyramid_->level(l).shape;
        py::array_t<T> to({size.height, size.width});
        T* pixels = to.mutable_data();
        const py::gil_scoped_release released;
        plan.build(*pyramid_, std::vector<pyramid::Rect>(static_cast<std::size_t>(l) + 1, {0, 0, shape().width, shape().height}));
        const std::shared_lock reading(pyramid_->mutex());
        const pyramid::Level& from = pyramid_->level(l);
        for (int y = 0; y < size.height; ++y) {
            const T* row = static_cast<const T*>(from.pixels) + y * from.row;
            std::copy(row, row + size.width, pixels + std::int64_t(y) * size.width);
        }
        return to;
    }

    using Shape2 = pyramid::Shape;
    py::array owner_;
    std::unique_ptr<pyramid::Pyramid> pyramid_;
};

// A pyramid that the caller has, or a new one of a frame.
std::shared_ptr<FramePyramid> pyramid_in(const py::object& object, const char* name) {
    if (py::isinstance<FramePyramid>(object)) {
        return object.cast<std::shared_ptr<FramePyramid>>();
    }
    return std::make_shared<FramePyramid>(object, name);
}

struct Found {
    explicit Found(std::int64_t n) : points({n, std::int64_t{2}}), status(n), residual(n), iterations(n) {}
    py::array_t<float> points;
    py::array_t<bool> status;
    py::array_t<float> residual;
    py::array_t<std::int32_t> iterations;
    flow_lk::Tracks tracks() {
        return {points.mutable_data(), status.mutable_data(), residual.mutable_data(), iterations.mutable_data()};
    }
};

// Tracks what was found back, and measures how far from its start it arrives; NaN where one of the two ways is lost.
void track_back(const flow_lk::Plan& plan, const FramePyramid& from, const FramePyramid& to, const float* points,
                const flow_lk::Tracks& found, std::int64_t n, float* error) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    Tensor<float> start(2 * n), arrived(2 * n), residual(n);
    Tensor<bool> status(n);
    Tensor<std::int32_t> iterations(n);
    for (std::int64_t i = 0; i < 2 * n; ++i) {
        start[i] = found.status[i / 2] ? found.points[i] : nan;
    }
    plan.run(to.levels(), from.levels(), start.data(), nullptr,
             {arrived.data(), status.data(), residual.data(), iterations.data()});
    for (std::int64_t i = 0; i < n; ++i) {
        error[i] = status[i] ? std::hypot(arrived[2 * i] - points[2 * i], arrived[2 * i + 1] - points[2 * i + 1]) : nan;
    }
}

py::tuple flow_track(const py::object& prev, const py::object& next, const py::object& pts, const py::object& guess,
                     std::int64_t window, std::int64_t levels, std::int64_t iterations, double epsilon, double min_eigenvalue,
                     bool backward) {
    const std::shared_ptr<FramePyramid> from = pyramid_in(prev, "prev"), to = pyramid_in(next, "next");
    const TrackArguments arguments(from->shape(), to->shape(), pts, guess, {window, levels, iterations, epsilon, min_eigenvalue});
    const flow_lk::Shape& shape = arguments.shape;
    const float* points = arguments.points;
    const std::int64_t n = shape.points;
    Found found(n);
    std::optional<py::array_t<float>> error;
    if (backward) {
        error.emplace(n);
    }
    const flow_lk::Tracks tracks = found.tracks();
    float* errors = backward ? error->mutable_data() : nullptr;
    {
        const py::gil_scoped_release released;
        const int threads = chosen_threads();
        // The way back starts where the way there ended: the first build leaves room for it.
        const flow_lk::Plan plan(shape, backward ? 2 * slack : slack, threads);
        plan.run(from->levels(), to->levels(), points, arguments.guess, tracks);
        if (backward) {
            track_back(flow_lk::Plan(shape, slack, threads), *from, *to, points, tracks, n, errors);
        }
    }
    return py::make_tuple(found.points, found.status, found.residual, error, found.iterations, shape.levels);
}

py::array points_of(const std::vector<corners::Corner>& found) {
    py::array_t<float> points({static_cast<py::ssize_t>(found.size()), py::ssize_t{2}});
    float* to = points.mutable_data();
    for (const corners::Corner& c : found) {
        *to++ = static_cast<float>(c.x);
        *to++ = static_cast<float>(c.y);
    }
    return points;
}

template <class T> py::array corners_as(const py::array& gray, corners::Params params) {
    py::array owner;
    const View<const T> view = view_in<T>(gray, "gray", 2, 2, owner);
    params.x = {view.dims[0], view.dims[1]};
    params.pixel_stride = view.strides[1];
    params.is_float = std::is_same_v<T, float>;
    const corners::Shape shape = corners::infer(params);
    std::vector<corners::Corner> found;
    {
        const py::gil_scoped_release released;
        found = corners::Plan(shape, chosen_threads()).run(view.data, view.strides[0]);
    }
    return points_of(found);
}

py::array flow_corners(const py::object& gray, std::int64_t count, double quality, double min_distance, std::int64_t block) {
    const py::array array = as_array(gray, "gray");
    const corners::Params params{.x = {}, .count = count, .quality = quality, .min_distance = min_distance, .block = block};
    if (array.dtype().equal(py::dtype::of<std::uint8_t>())) {
        return corners_as<std::uint8_t>(array, params);
    }
    if (array.dtype().equal(py::dtype::of<float>())) {
        return corners_as<float>(array, params);
    }
    throw TypeError(message("gray must be uint8 or float32, is ", dtype_name(array),
                            "; pass gray.astype(\"uint8\") or gray.astype(\"float32\")"));
}

corners::Shape corners_shape_of(const py::object& gray, std::int64_t count, double quality, double min_distance,
                                std::int64_t block) {
    const GreyFrame frame(gray, "gray");
    return corners::infer({.x = frame.size,
                           .pixel_stride = frame.pixel,
                           .is_float = frame.is_float,
                           .count = count,
                           .quality = quality,
                           .min_distance = min_distance,
                           .block = block});
}

// For a device: (shape, gray), the frame as it is sent.
py::tuple corners_shape(const py::object& gray, std::int64_t count, double quality, double min_distance, std::int64_t block) {
    const corners::Shape shape = corners_shape_of(gray, count, quality, min_distance, block);
    return py::make_tuple(shape_record(corners::picture(shape)), GreyFrame(gray, "gray").dense());
}

// Corners from what a device has computed.
py::array corners_choose(const py::object& eigenvalues, std::int64_t count, double quality, double min_distance,
                         std::int64_t block) {
    const corners::Shape shape = corners_shape_of(eigenvalues, count, quality, min_distance, block);
    py::array owner;
    const float* values = dense_in<float>(eigenvalues, "eigenvalues", 2, 2, owner);
    std::vector<corners::Corner> found;
    {
        const py::gil_scoped_release released;
        found = corners::choose(shape, values);
    }
    return points_of(found);
}

// (operations, bytes read, bytes written) of tracking, and of the two pyramids over it, as cost() says.
py::tuple flow_cost(std::int64_t height, std::int64_t width, std::int64_t points, std::int64_t window, std::int64_t levels,
                    bool is_float) {
    const flow_lk::Shape shape = flow_lk::infer({.from = {height, width},
                                                 .to = {height, width},
                                                 .from_float = is_float,
                                                 .to_float = is_float,
                                                 .points = points,
                                                 .window = window,
                                                 .levels = levels});
    const Cost track = flow_lk::cost(shape), halve = pyramid::cost(shape.frame, shape.levels);
    return py::make_tuple(track.flops + 2 * halve.flops, track.bytes_read + 2 * halve.bytes_read,
                          track.bytes_written + 2 * halve.bytes_written);
}

} // namespace

void bind_flow(py::module_& m) {
    py::class_<FramePyramid, std::shared_ptr<FramePyramid>>(m, "Pyramid")
        .def(py::init([](const py::object& frame) { return std::make_shared<FramePyramid>(frame, "frame"); }), py::arg("frame"))
        .def_property_readonly("shape", [](const FramePyramid& p) { return py::make_tuple(p.shape().height, p.shape().width); })
        .def("level", &FramePyramid::level, py::arg("level"));
    m.def("flow_track", &flow_track, py::arg("prev"), py::arg("next"), py::arg("pts"), py::arg("guess"), py::arg("window"),
          py::arg("levels"), py::arg("iterations"), py::arg("epsilon"), py::arg("min_eigenvalue"), py::arg("backward"));
    m.def("flow_corners", &flow_corners, py::arg("gray"), py::arg("count"), py::arg("quality"), py::arg("min_distance"),
          py::arg("block"));
    PYBIND11_NUMPY_DTYPE(fk_corners_shape, height, width, is_float, block);
    add_device_op<fk_corners_shape>("corners", &corners::choose_device_kernel, &corners::picture_cost);
    m.def("corners_shape", &corners_shape, py::arg("gray"), py::arg("count"), py::arg("quality"), py::arg("min_distance"),
          py::arg("block"));
    m.def("corners_choose", &corners_choose, py::arg("eigenvalues"), py::arg("count"), py::arg("quality"),
          py::arg("min_distance"), py::arg("block"));
    m.def("flow_cost", &flow_cost, py::arg("height"), py::arg("width"), py::arg("points"), py::arg("window"), py::arg("levels"),
          py::arg("is_float"));
}

} // namespace fk
