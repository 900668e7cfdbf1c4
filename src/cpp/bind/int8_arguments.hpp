// The arguments of layers on bytes, judged once for the processor and for devices.
#pragma once

#include <vector>

#include "bind/layers.hpp"
#include "ops/add_int8/add_int8.hpp"
#include "ops/concat_int8/concat_int8.hpp"
#include "ops/conv2d_int8/conv2d_int8.hpp"
#include "ops/dense_int8/dense_int8.hpp"
#include "ops/depthwise_int8/depthwise_int8.hpp"
#include "ops/lookup_int8/lookup_int8.hpp"
#include "ops/pool_int8/pool_int8.hpp"
#include "ops/quantize/quantize.hpp"

namespace fk {

using Bytes = View<const std::uint8_t>;
using Weights8 = View<const std::int8_t>;
using Meaning = std::pair<float, int>; // scale, zero point

// An array and what keeps it.
template <class T> struct Argument {
    py::array owner;
    View<const T> view;
    Tensor<T> copy;

    Argument(const py::object& object, const char* name, int least, int most)
        : view(view_in<T>(object, name, least, most, owner)) {}
    const T* dense() {
        if (copy.data() == nullptr) {
            copy = Tensor<T>(view.size());
            copy_dense(view, copy.data());
        }
        return copy.data();
    }
    std::vector<T> values() {
        dense();
        return {copy.data(), copy.data() + copy.size()};
    }
};

std::array<std::int64_t, 4> four_of(const Bytes& x);
Requantization requantization_in(const py::object& multiplier, const py::object& offset, const std::pair<float, float>& clip);
Quantization quantization_in(const Meaning& meaning);

conv2d_int8::Shape conv2d_int8_shape_in(const Bytes& x, const Weights8& w, const py::object& stride, const py::object& padding,
                                        const py::object& dilation, std::int64_t groups);
// What is added to the result of that shape.
Argument<std::uint8_t> residual_of(const py::object& residual, const conv2d_int8::Shape& shape);
depthwise_int8::Shape depthwise_int8_shape_in(const Bytes& x, const Weights8& w, const py::object& stride,
                                              const py::object& padding, const py::object& dilation);
dense_int8::Shape dense_int8_shape_in(const Bytes& x, const Weights8& w);
pool_int8::Shape pool_int8_shape_in(const Bytes& x, const py::object& size, const py::object& stride, const py::object& padding,
                                    bool average, bool count_include_pad);

} // namespace fk
