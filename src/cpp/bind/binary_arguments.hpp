// The arguments of binary layers, judged once for the processor and for devices.
#pragma once

#include "bind/layers.hpp"
#include "ops/binary/binary.hpp"

namespace fk {

// Filters, and the shape of a layer over an x of known shape.
struct BinaryFilters {
    BinaryFilters(const py::object& bits_in, const py::object& alpha_in, std::int64_t channels,
                  const std::array<std::int64_t, 4>& x, const py::object& stride, const py::object& padding);

    py::array bits_owner;
    py::array alpha_owner;
    const std::uint32_t* bits;
    const float* alpha;
    binary::Shape shape{};
};

// x as floats or as bits; floats of other strides than the kernels read are copied. channels_last: x is [pixels, c].
struct BinaryInput {
    BinaryInput(const binary::Shape& s, bool channels_last, const py::object& object);

    void make_ready();
    // Floats in the order of their axes, or bits: what a device is sent.
    py::array dense() const;

    py::array owner;
    binary::Input input;

  private:
    void same_shape(const std::vector<std::int64_t>& expected) const;

    View<const float> view_;
    Tensor<float> storage_;
};

// Of a call that gives numbers.
struct BinaryNumbersArguments {
    BinaryNumbersArguments(const binary::Shape& s, bool channels_last, const py::object& x_in, const py::object& b_in,
                           bool scale_input, const py::object& activation_name, const std::optional<float>& slope,
                           const std::optional<py::object>& out);

    BinaryInput x;
    Vector b;
    Activation activation;
    py::array_t<float> y;
};

// Of a call that gives bits.
struct BinaryBitsArguments {
    BinaryBitsArguments(const binary::Shape& s, bool channels_last, const py::object& x_in, const py::object& at_least_in,
                        const py::object& direction_in, const std::optional<py::object>& out);

    BinaryInput x;
    py::array least_owner;
    py::array direction_owner;
    const std::int32_t* at_least;
    const std::int32_t* direction;
    py::array_t<std::uint32_t> y;
};

} // namespace fk
