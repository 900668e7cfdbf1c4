#include "bind/cascade_arguments.hpp"

#include <cmath>

namespace fk {

cascade::Image image_in(const py::object& object, py::array& owner) {
    const View<const std::uint8_t> view = view_in<std::uint8_t>(object, "gray", 2, 2, owner);
    require(view.dims[0] >= 1 && view.dims[1] >= 1, "gray has shape ", shape_text(owner), "; it must hold a pixel");
    require(view.dims[0] <= max_picture_side && view.dims[1] <= max_picture_side, "gray has shape ", shape_text(owner),
            "; sides up to ", max_picture_side, " are possible");
    require(view.strides[1] == 1, "gray: the stride of axis 1 is ", view.strides[1],
            " bytes, pixels of a row must stand together; pass numpy.ascontiguousarray(gray)");
    return {view.data, view.strides[0], static_cast<std::int32_t>(view.dims[1]), static_cast<std::int32_t>(view.dims[0])};
}

cascade::Params cascade_params_in(double scale_factor, std::array<std::int64_t, 2> min_size, std::array<std::int64_t, 2> max_size,
                                  int step) {
    require(scale_factor > 1.0 && std::isfinite(scale_factor), "scale_factor is ", scale_factor, "; it must be greater than 1");
    require(step >= 0 && step <= 2, "step is ", step, "; it must be 0 (by level), 1 or 2 pixels");
    const auto side = [](std::int64_t v, const char* name) {
        require(v >= 0 && v <= max_picture_side, name, " is ", v, "; it must be from 0 to ", max_picture_side, " pixels");
        return static_cast<std::int32_t>(v);
    };
    return {.scale_factor = scale_factor,
            .min_width = side(min_size[0], "min_size"),
            .min_height = side(min_size[1], "min_size"),
            .max_width = side(max_size[0], "max_size"),
            .max_height = side(max_size[1], "max_size"),
            .step = step};
}

py::tuple hits_out(const std::vector<cascade::Hit>& hits) {
    const auto n = static_cast<py::ssize_t>(hits.size());
    py::array_t<std::int32_t> rows({n, py::ssize_t{7}});
    py::array_t<double> votes(n);
    std::int32_t* to = rows.mutable_data();
    for (const cascade::Hit& h : hits) {
        for (const std::int32_t v : {h.box.x, h.box.y, h.box.width, h.box.height, h.level, h.level_x, h.level_y}) {
            *to++ = v;
        }
    }
    for (py::ssize_t i = 0; i < n; ++i) {
        votes.mutable_data()[i] = hits[static_cast<std::size_t>(i)].vote;
    }
    return py::make_tuple(rows, votes);
}

} // namespace fk
