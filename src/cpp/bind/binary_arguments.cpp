#include "bind/binary_arguments.hpp"

namespace fk {

namespace {
using Word = std::uint32_t;

std::vector<py::ssize_t> numbers_shape(const binary::Shape& s, bool channels_last) {
    return channels_last ? std::vector<py::ssize_t>{s.oh, s.oc} : std::vector<py::ssize_t>{s.n, s.oc, s.oh, s.ow};
}

// What is given for each filter, where anything is.
void one_for_each_filter(std::int64_t length, const char* name, const binary::Shape& s) {
    require(length == -1 || length == s.oc, name, " has ", length, " values, expected one for each of the ", s.oc, " filters");
}
} // namespace

BinaryFilters::BinaryFilters(const py::object& bits_in, const py::object& alpha_in, std::int64_t channels,
                             const std::array<std::int64_t, 4>& x, const py::object& stride, const py::object& padding)
    : bits(dense_in<Word>(bits_in, "bits", 4, 4, bits_owner)), alpha(dense_in<float>(alpha_in, "alpha", 1, 1, alpha_owner)) {
    const std::array<std::int64_t, 4> w{bits_owner.shape(0), channels, bits_owner.shape(1), bits_owner.shape(2)};
    require(channels >= 1 && bits_owner.shape(3) == (channels + 31) / 32, "bits has shape ", shape_text(bits_owner),
            ", axis 3 must be ceil(channels / 32) with channels = ", channels);
    require(alpha_owner.shape(0) == w[0], "alpha has ", alpha_owner.shape(0), " values, expected one for each of the ", w[0],
            " filters");
    shape = binary::infer(
        {.x = x,
         .w = w,
         .window = {.size = {}, .stride = pair_in(stride, "stride"), .dilation = {1, 1}, .padding = padding_in(padding)}});
}

BinaryInput::BinaryInput(const binary::Shape& s, bool channels_last, const py::object& object) {
    owner = as_array(object, "x");
    if (owner.dtype().equal(py::dtype::of<Word>())) {
        input.bits = dense_in<Word>(owner, "x", 4, 4, owner);
        same_shape({s.n, s.ih, s.iw, binary::words_of(s.c)});
        return;
    }
    view_ = view_in<float>(owner, "x", channels_last ? 2 : 4, channels_last ? 2 : 4, owner);
    if (channels_last) {
        same_shape({s.ih, s.c});
        input = {.x = view_.data, .channel_step = view_.strides[1], .row_step = view_.strides[0], .pixel_step = 0};
        return;
    }
    same_shape({s.n, s.c, s.ih, s.iw});
    input = {.x = view_.data,
             .image_step = view_.strides[0],
             .channel_step = view_.strides[1],
             .row_step = view_.strides[2],
             .pixel_step = view_.strides[3]};
}

void BinaryInput::same_shape(const std::vector<std::int64_t>& expected) const {
    for (std::size_t d = 0; d < expected.size(); ++d) {
        const auto axis = static_cast<py::ssize_t>(d);
        require(owner.shape(axis) == expected[d], "x has shape ", shape_text(owner), ", axis ", d, " must be ", expected[d]);
    }
}

void BinaryInput::make_ready() {
    if (input.bits != nullptr || input.channel_step == 1 || input.pixel_step == 1) {
        return;
    }
    storage_ = Vector::dense_copy(view_);
    input.x = storage_.data();
    if (view_.rank == 2) {
        input.channel_step = 1;
        input.row_step = view_.dims[1];
        return;
    }
    input.pixel_step = 1;
    input.row_step = view_.dims[3];
    input.channel_step = view_.dims[2] * view_.dims[3];
    input.image_step = view_.dims[1] * input.channel_step;
}

py::array BinaryInput::dense() const {
    if (input.bits != nullptr || view_.contiguous()) {
        return owner;
    }
    py::array_t<float> copy(std::vector<py::ssize_t>(owner.shape(), owner.shape() + owner.ndim()));
    float* to = copy.mutable_data();
    const py::gil_scoped_release released;
    copy_dense(view_, to);
    return copy;
}

BinaryNumbersArguments::BinaryNumbersArguments(const binary::Shape& s, bool channels_last, const py::object& x_in,
                                               const py::object& b_in, bool scale_input, const py::object& activation_name,
                                               const std::optional<float>& slope, const std::optional<py::object>& out)
    : x(s, channels_last, x_in), b(b_in, "b") {
    require(!scale_input || x.input.bits == nullptr, "scale_input needs the magnitudes of x, which packed signs do not have");
    one_for_each_filter(b.length(), "b", s);
    activation = activation_in(activation_name, slope);
    y = output_array<float>(out, numbers_shape(s, channels_last), {{"x", x.owner}, {"b", b.owner}});
}

BinaryBitsArguments::BinaryBitsArguments(const binary::Shape& s, bool channels_last, const py::object& x_in,
                                         const py::object& at_least_in, const py::object& direction_in,
                                         const std::optional<py::object>& out)
    : x(s, channels_last, x_in), at_least(dense_in<std::int32_t>(at_least_in, "at_least", 1, 1, least_owner)),
      direction(dense_in<std::int32_t>(direction_in, "direction", 1, 1, direction_owner)) {
    one_for_each_filter(least_owner.shape(0), "at_least", s);
    one_for_each_filter(direction_owner.shape(0), "direction", s);
    for (int i = 0; i < s.oc; ++i) {
        require(direction[i] == 1 || direction[i] == -1, "direction[", i, "] must be 1 or -1, is ", direction[i]);
    }
    y = output_array<Word>(out, {s.n, s.oh, s.ow, binary::words_of(s.oc)},
                           {{"x", x.owner}, {"at_least", least_owner}, {"direction", direction_owner}});
}

} // namespace fk
