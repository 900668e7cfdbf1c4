#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/binary_arguments.hpp"
#include "bind/bind.hpp"

namespace fk {

namespace {

using Out = std::optional<py::object>;
using Word = std::uint32_t;

py::tuple binarize_call(const py::object& w_in) {
    py::array owner;
    const View<const float> w = view_in<float>(w_in, "w", 2, 4, owner);
    require(w.rank != 3, "w must have 2 dimensions [O, I] or 4 [O, C, KH, KW], its shape is ", w.shape());
    const std::array<std::int64_t, 4> dims{w.dims[0], w.dims[1], w.rank == 4 ? w.dims[2] : 1, w.rank == 4 ? w.dims[3] : 1};
    py::array_t<Word> bits({dims[0], dims[2], dims[3], (dims[1] + 31) / 32});
    py::array_t<float> alpha(dims[0]);
    Tensor<float> storage;
    binary::binarize(dims, dense_values(w, storage), bits.mutable_data(), alpha.mutable_data());
    return py::make_tuple(bits, alpha, dims[1], w.rank == 2);
}

// Numbers of one for each filter, as doubles; `missing` where there is no array.
struct PerFilter {
    Vector vector;
    double missing;
    PerFilter(const py::object& object, const char* name, std::int64_t filters, double value = 0)
        : vector(object, name), missing(value) {
        require(vector.length() == -1 || vector.length() == filters, name, " has ", vector.length(),
                " values, expected one for each of the ", filters, " filters");
    }
    double at(std::int64_t i) const {
        return vector.view.data != nullptr ? double(vector.view.data[i * vector.view.strides[0]]) : missing;
    }
};

py::tuple fold_call(const py::object& alpha_in, std::int64_t most, const py::object& gamma_in, const py::object& beta_in,
                    const py::object& mean_in, const py::object& variance_in, const py::object& b_in, double epsilon) {
    py::array owner;
    const std::int64_t filters = view_in<float>(alpha_in, "alpha", 1, 1, owner).dims[0];
    require(most >= 0 && most <= 1 << 29, "a filter of ", most, " signs is too long, at most ", 1 << 29, " are summed");
    const PerFilter alpha(alpha_in, "alpha", filters);
    const PerFilter gamma(gamma_in, "gamma", filters);
    const PerFilter beta(beta_in, "beta", filters);
    const PerFilter mean(mean_in, "mean", filters);
    const PerFilter variance(variance_in, "variance", filters);
    const PerFilter bias(b_in, "b", filters);
    py::array_t<std::int32_t> at_least(filters);
    py::array_t<std::int32_t> direction(filters);
    for (std::int64_t i = 0; i < filters; ++i) {
        const binary::Folded folded = binary::fold(
            {.gamma = gamma.at(i), .beta = beta.at(i), .mean = mean.at(i), .variance = variance.at(i), .epsilon = epsilon},
            alpha.at(i), bias.at(i), static_cast<std::int32_t>(most), i);
        at_least.mutable_at(i) = folded.at_least;
        direction.mutable_at(i) = folded.direction;
    }
    return py::make_tuple(at_least, direction);
}

// Planned for filters, the shape of x and the choices of the thread that made it; several threads may run it at once.
class BinaryConv2d {
  public:
    BinaryConv2d(const py::object& bits, const py::object& alpha, std::int64_t channels, const std::array<std::int64_t, 4>& x,
                 const py::object& stride, const py::object& padding, bool channels_last)
        : channels_last_(channels_last), plan_(make(BinaryFilters(bits, alpha, channels, x, stride, padding))) {}

    py::array_t<float> run(const py::object& x, const py::object& b, bool scale_input, const py::object& activation,
                           const std::optional<float>& slope, const Out& out) const {
        BinaryNumbersArguments given(plan_.shape(), channels_last_, x, b, scale_input, activation, slope, out);
        float* to = given.y.mutable_data();
        note();
        {
            const py::gil_scoped_release released;
            const Tensor<float> bias = given.b.dense();
            given.x.make_ready();
            plan_.run(given.x.input, binary::Numbers{.y = to,
                                                     .bias = bias.data(),
                                                     .channels_last = channels_last_,
                                                     .scale_input = scale_input,
                                                     .activation = given.activation});
        }
        return given.y;
    }

    py::array_t<Word> run_signs(const py::object& x, const py::object& at_least, const py::object& direction,
                                const Out& out) const {
        BinaryBitsArguments given(plan_.shape(), channels_last_, x, at_least, direction, out);
        Word* to = given.y.mutable_data();
        note();
        {
            const py::gil_scoped_release released;
            given.x.make_ready();
            plan_.run(given.x.input, binary::Bits{.bits = to, .at_least = given.at_least, .direction = given.direction});
        }
        return given.y;
    }

  private:
    static binary::Plan make(const BinaryFilters& filters) {
        const py::gil_scoped_release released;
        return {filters.shape, filters.bits, filters.alpha, chosen_threads()};
    }

    void note() const { note_kernel("binary", plan_.kernel().name, plan_.kernel().isa); }

    bool channels_last_; // x [n, c], y [n, o]: rows of one pixel
    binary::Plan plan_;
};

// The signs of x [n, c, h, w] as bits [n, h, w, words].
py::array_t<Word> pack_signs_call(const py::object& x_in, const Out& out) {
    py::array owner;
    const View<const float> x = view_in<float>(x_in, "x", 4, 4, owner);
    const auto& [n, c, h, w, unused] = x.dims;
    const binary::Shape s = binary::infer({.x = four(x), .w = {1, c, 1, 1}, .window = {}});
    py::array_t<Word> y = output_array<Word>(out, {n, h, w, binary::words_of(s.c)}, {{"x", owner}});
    Word* to = y.mutable_data();
    const py::gil_scoped_release released;
    Tensor<float> storage;
    const std::int64_t pixels = h * w;
    binary::pack_signs(
        s, {.x = dense_values(x, storage), .image_step = c * pixels, .channel_step = pixels, .row_step = w, .pixel_step = 1}, to,
        chosen_threads());
    return y;
}

// The shape of an array that a call will take; what it refuses is refused here already.
py::tuple float_shape_call(const py::object& object, const std::string& name, int rank) {
    py::array owner;
    view_in<float>(object, name.c_str(), rank, rank, owner);
    py::tuple shape(rank);
    for (int d = 0; d < rank; ++d) {
        shape[static_cast<std::size_t>(d)] = owner.shape(d);
    }
    return shape;
}

} // namespace

void bind_binary(py::module_& m) {
    m.def("binarize", &binarize_call, py::arg("w"));
    m.def("pack_signs", &pack_signs_call, py::arg("x"), py::arg("out"));
    m.def("fold_batch_norm_sign", &fold_call, py::arg("alpha"), py::arg("most"), py::arg("gamma"), py::arg("beta"),
          py::arg("mean"), py::arg("variance"), py::arg("b"), py::arg("epsilon"));
    m.def("float_shape", &float_shape_call, py::arg("object"), py::arg("name"), py::arg("rank"));
    py::class_<BinaryConv2d>(m, "BinaryConv2d")
        .def(py::init<const py::object&, const py::object&, std::int64_t, const std::array<std::int64_t, 4>&, const py::object&,
                      const py::object&, bool>(),
             py::arg("bits"), py::arg("alpha"), py::arg("channels"), py::arg("x"), py::arg("stride"), py::arg("padding"),
             py::arg("channels_last"))
        .def("run", &BinaryConv2d::run, py::arg("x"), py::arg("b"), py::arg("scale_input"), py::arg("activation"),
             py::arg("slope"), py::arg("out"))
        .def("run_signs", &BinaryConv2d::run_signs, py::arg("x"), py::arg("at_least"), py::arg("direction"), py::arg("out"));
}

} // namespace fk
