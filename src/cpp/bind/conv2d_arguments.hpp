// The arguments of nn.conv2d, judged once for the processor and for devices.
#pragma once

#include "bind/convert.hpp"
#include "ops/conv2d/conv2d.hpp"

namespace fk {

struct Conv2dArguments {
    Conv2dArguments(const py::object& x_in, const py::object& w_in, const py::object& b_in, const py::object& stride,
                    const py::object& padding, const py::object& dilation, std::int64_t groups, const py::object& activation,
                    const std::optional<float>& alpha);

    py::array x_owner;
    py::array w_owner;
    py::array b_owner;
    View<const float> x;
    View<const float> w;
    View<const float> b; // no data: no bias
    fk_conv2d_shape shape{};
};

} // namespace fk
