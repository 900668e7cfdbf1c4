#include <pybind11/stl.h>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/layers.hpp"
#include "ops/binary/binary.hpp"

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

std::vector<py::ssize_t> signed_shape(const binary::Shape& s) { return {s.n, s.oh, s.ow, binary::words_of(s.oc)}; }

// Planned for filters, the shape of x and the choices of the thread that made it; several threads may run it at once.
class BinaryConv2d {
  public:
    BinaryConv2d(const py::object& bits_in, const py::object& alpha_in, std::int64_t channels,
                 const std::array<std::int64_t, 4>& x, const py::object& stride, const py::object& padding, bool channels_last)
        : channels_last_(channels_last), plan_(make(bits_in, alpha_in, channels, x, stride, padding)) {}

    py::array_t<float> run(const py::object& x_in, const py::object& b_in, bool scale_input, const py::object& activation,
                           const std::optional<float>& slope, const Out& out) const {
        const binary::Shape& s = plan_.shape();
        Given x(*this, x_in);
        require(!scale_input || x.input.bits == nullptr, "scale_input needs the magnitudes of x, which packed signs do not have");
        const Vector b(b_in, "b");
        require(b.length() == -1 || b.length() == s.oc, "b has ", b.length(), " values, expected one for each of the ", s.oc,
                " filters");
        const Activation act = activation_in(activation, slope);
        const std::vector<py::ssize_t> shape =
            channels_last_ ? std::vector<py::ssize_t>{s.oh, s.oc} : std::vector<py::ssize_t>{s.n, s.oc, s.oh, s.ow};
        py::array_t<float> y = output_array<float>(out, shape, {{"x", x.owner}, {"b", b.owner}});
        float* to = y.mutable_data();
        note();
        const py::gil_scoped_release released;
        const Tensor<float> bias = b.dense();
        x.make_ready();
        plan_.run(
            x.input,
            binary::Numbers{
                .y = to, .bias = bias.data(), .channels_last = channels_last_, .scale_input = scale_input, .activation = act});
        return y;
    }

    py::array_t<Word> run_signs(const py::object& x_in, const py::object& at_least_in, const py::object& direction_in,
                                const Out& out) const {
        const binary::Shape& s = plan_.shape();
        Given x(*this, x_in);
        py::array least_owner;
        py::array direction_owner;
        const std::int32_t* at_least = dense_in<std::int32_t>(at_least_in, "at_least", 1, 1, least_owner);
        const std::int32_t* direction = dense_in<std::int32_t>(direction_in, "direction", 1, 1, direction_owner);
        for (const auto& [name, array] : {std::pair{"at_least", least_owner}, std::pair{"direction", direction_owner}}) {
            require(array.shape(0) == s.oc, name, " has ", array.shape(0), " values, expected one for each of the ", s.oc,
                    " filters");
        }
        for (int i = 0; i < s.oc; ++i) {
            require(direction[i] == 1 || direction[i] == -1, "direction[", i, "] must be 1 or -1, is ", direction[i]);
        }
        py::array_t<Word> y =
            output_array<Word>(out, signed_shape(s), {{"x", x.owner}, {"at_least", least_owner}, {"direction", direction_owner}});
        Word* to = y.mutable_data();
        note();
        const py::gil_scoped_release released;
        x.make_ready();
        plan_.run(x.input, binary::Bits{.bits = to, .at_least = at_least, .direction = direction});
        return y;
    }

  private:
    // x as floats or as bits; floats of other strides than the kernels read are copied.
    struct Given {
        py::array owner;
        binary::Input input;
        View<const float> view;
        Tensor<float> storage;

        Given(const BinaryConv2d& plan, const py::object& object) {
            const binary::Shape& s = plan.plan_.shape();
            owner = as_array(object, "x");
            if (owner.dtype().equal(py::dtype::of<Word>())) {
                input.bits = dense_in<Word>(owner, "x", 4, 4, owner);
                same_shape({s.n, s.ih, s.iw, binary::words_of(s.c)});
                return;
            }
            view = view_in<float>(owner, "x", plan.channels_last_ ? 2 : 4, plan.channels_last_ ? 2 : 4, owner);
            if (plan.channels_last_) {
                same_shape({s.ih, s.c});
                input = {.x = view.data, .channel_step = view.strides[1], .row_step = view.strides[0], .pixel_step = 0};
                return;
            }
            same_shape({s.n, s.c, s.ih, s.iw});
            input = {.x = view.data,
                     .image_step = view.strides[0],
                     .channel_step = view.strides[1],
                     .row_step = view.strides[2],
                     .pixel_step = view.strides[3]};
        }

        void same_shape(const std::vector<std::int64_t>& expected) const {
            for (std::size_t d = 0; d < expected.size(); ++d) {
                const auto axis = static_cast<py::ssize_t>(d);
                require(owner.shape(axis) == expected[d], "x has shape ", shape_text(owner), ", axis ", d, " must be ",
                        expected[d]);
            }
        }

        void make_ready() {
            if (input.bits != nullptr || input.channel_step == 1 || input.pixel_step == 1) {
                return;
            }
            storage = Vector::dense_copy(view);
            input.x = storage.data();
            if (view.rank == 2) {
                input.channel_step = 1;
                input.row_step = view.dims[1];
                return;
            }
            input.pixel_step = 1;
            input.row_step = view.dims[3];
            input.channel_step = view.dims[2] * view.dims[3];
            input.image_step = view.dims[1] * input.channel_step;
        }
    };

    static binary::Plan make(const py::object& bits_in, const py::object& alpha_in, std::int64_t channels,
                             const std::array<std::int64_t, 4>& x, const py::object& stride, const py::object& padding) {
        py::array bits_owner;
        py::array alpha_owner;
        const Word* bits = dense_in<Word>(bits_in, "bits", 4, 4, bits_owner);
        const float* alpha = dense_in<float>(alpha_in, "alpha", 1, 1, alpha_owner);
        const std::array<std::int64_t, 4> w{bits_owner.shape(0), channels, bits_owner.shape(1), bits_owner.shape(2)};
        require(channels >= 1 && bits_owner.shape(3) == (channels + 31) / 32, "bits has shape ", shape_text(bits_owner),
                ", axis 3 must be ceil(channels / 32) with channels = ", channels);
        require(alpha_owner.shape(0) == w[0], "alpha has ", alpha_owner.shape(0), " values, expected one for each of the ", w[0],
                " filters");
        const binary::Shape shape = binary::infer(
            {.x = x,
             .w = w,
             .window = {.size = {}, .stride = pair_in(stride, "stride"), .dilation = {1, 1}, .padding = padding_in(padding)}});
        const py::gil_scoped_release released;
        return {shape, bits, alpha, chosen_threads()};
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
