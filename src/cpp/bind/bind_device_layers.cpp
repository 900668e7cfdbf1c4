// Shapes of the layers besides convolution, as devices are told them.
#include <pybind11/stl.h>

#include "bind/bind.hpp"
#include "bind/device_ops.hpp"
#include "bind/layer_arguments.hpp"

namespace fk {

namespace {

using Alpha = std::optional<float>;

py::array pool_shape(const py::object& x, const char* kind, const py::object& size, const py::object& stride,
                     const py::object& padding, bool count_include_pad) {
    const std::string_view name = kind;
    const PoolKind which = name == "max" ? pool_max : name == "average" ? pool_average : pool_l2;
    const pool::Params params{.kind = which, .count_include_pad = count_include_pad};
    return shape_record(PoolArguments(x, params, size, stride, padding).shape);
}

py::array global_pool_shape(const py::object& x, bool average) { return shape_record(GlobalPoolArguments(x, average).shape); }

py::array depthwise_shape(const py::object& x, const py::object& w, const py::object& b, const py::object& stride,
                          const py::object& padding, const py::object& dilation, const py::object& activation,
                          const Alpha& alpha) {
    return shape_record(DepthwiseArguments(x, w, b, stride, padding, dilation, activation, alpha).shape);
}

py::array separable_shape(const py::object& x, const py::object& w_dw, const py::object& w_pw, const py::object& b,
                          const py::object& b_dw, const py::object& stride, const py::object& padding, const py::object& dilation,
                          const py::object& activation_dw, const py::object& activation, const Alpha& alpha) {
    const SeparableArguments arguments(x, w_dw, w_pw, b, b_dw, stride, padding, dilation, activation_dw, activation, alpha);
    return shape_record(separable::device_shape(arguments.first, arguments.second));
}

// Also refuses, as the plan on the processor does, a variance that makes no deviation.
py::array batch_norm_shape(const py::object& x, const py::object& gamma, const py::object& beta, const py::object& mean,
                           const py::object& variance, double epsilon, const py::object& activation, const Alpha& alpha) {
    const BatchNormArguments arguments(x, gamma, beta, mean, variance, epsilon, activation, alpha);
    const Tensor<float> values = arguments.statistics[3].dense();
    for (int c = 0; c < arguments.shape.c; ++c) {
        batch_norm::deviation(values.data(), c, arguments.shape.epsilon);
    }
    return shape_record(arguments.shape);
}

py::array local_response_norm_shape(const py::object& x, std::int64_t size, double alpha, double beta, double k) {
    return shape_record(LocalResponseNormArguments(x, size, alpha, beta, k).shape);
}

py::array concat_shape(const py::sequence& xs) { return shape_record(concat::device_shape(ConcatArguments(xs).shape)); }

py::array gemm_shape(const py::object& a, const py::object& b, const py::object& bias, bool transpose_b,
                     const py::object& activation, const Alpha& alpha) {
    return shape_record(GemmArguments(a, b, bias, transpose_b, activation, alpha).shape);
}

py::array dense_shape(const py::object& x, const py::object& w, const py::object& b, const py::object& activation,
                      const Alpha& alpha) {
    return shape_record(DenseArguments(x, w, b, activation, alpha).shape);
}

py::array activate_shape(const py::object& x, const py::object& kind, const Alpha& alpha) {
    return shape_record(ElementwiseArguments({"x", x}, {"", py::none()}, activation_in(kind, alpha)).shape);
}

py::array add_shape(const py::object& x1, const py::object& x2, const py::object& activation, const Alpha& alpha) {
    if (x2.is_none()) {
        throw TypeError("x2 must be a NumPy array, is NoneType");
    }
    return shape_record(ElementwiseArguments({"x1", x1}, {"x2", x2}, activation_in(activation, alpha)).shape);
}

py::array softmax_shape(const py::object& x, std::int64_t axis) { return shape_record(SoftmaxArguments(x, axis).shape); }

void add_windows(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_pool_shape, n, c, ih, iw, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left, kind,
                         count_include_pad);
    PYBIND11_NUMPY_DTYPE(fk_global_pool_shape, n, c, ih, iw, kind);
    PYBIND11_NUMPY_DTYPE(fk_depthwise_shape, n, c, ih, iw, oc, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left, dilation_h,
                         dilation_w, activation, alpha);
    add_device_op<fk_pool_shape>("pool", &pool::choose_device_kernel, &pool::cost);
    add_device_op<fk_global_pool_shape>("global_pool", &global_pool::choose_device_kernel, &global_pool::cost);
    PYBIND11_NUMPY_DTYPE(fk_separable_shape, first, second);
    add_device_op<fk_depthwise_shape>("depthwise", &depthwise::choose_device_kernel, &depthwise::cost);
    add_device_op<fk_separable_shape>("separable", &separable::choose_device_kernel, &separable::device_cost);
    m.def("pool_shape", &pool_shape, py::arg("x"), py::arg("kind"), py::arg("size"), py::arg("stride"), py::arg("padding"),
          py::arg("count_include_pad"));
    m.def("global_pool_shape", &global_pool_shape, py::arg("x"), py::arg("average"));
    m.def("depthwise_shape", &depthwise_shape, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
          py::arg("dilation"), py::arg("activation"), py::arg("alpha"));
    m.def("separable_shape", &separable_shape, py::arg("x"), py::arg("w_dw"), py::arg("w_pw"), py::arg("b"), py::arg("b_dw"),
          py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("activation_dw"), py::arg("activation"),
          py::arg("alpha"));
}

void add_channels(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_batch_norm_shape, n, c, ih, iw, epsilon, activation, alpha);
    PYBIND11_NUMPY_DTYPE(fk_local_response_norm_shape, n, c, ih, iw, size, alpha, beta, k);
    PYBIND11_NUMPY_DTYPE(fk_concat_shape, n, ih, iw, c, inputs, channels);
    add_device_op<fk_batch_norm_shape>("batch_norm", &batch_norm::choose_device_kernel, &batch_norm::cost);
    add_device_op<fk_local_response_norm_shape>("local_response_norm", &local_response_norm::choose_device_kernel,
                                                &local_response_norm::cost);
    add_device_op<fk_concat_shape>("concat", &concat::choose_device_kernel, &concat::device_cost);
    m.def("batch_norm_shape", &batch_norm_shape, py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("mean"),
          py::arg("variance"), py::arg("epsilon"), py::arg("activation"), py::arg("alpha"));
    m.def("local_response_norm_shape", &local_response_norm_shape, py::arg("x"), py::arg("size"), py::arg("alpha"),
          py::arg("beta"), py::arg("k"));
    m.def("concat_shape", &concat_shape, py::arg("xs"));
}

void add_products(py::module_& m) {
    PYBIND11_NUMPY_DTYPE(fk_gemm_shape, m, n, k, transposed, activation, alpha);
    PYBIND11_NUMPY_DTYPE(fk_dense_shape, n, in, out, activation, alpha, bfloat16);
    PYBIND11_NUMPY_DTYPE(fk_elementwise_shape, n, size, inputs, activation, alpha);
    PYBIND11_NUMPY_DTYPE(fk_softmax_shape, n, size, inner);
    add_device_op<fk_gemm_shape>("gemm", &gemm::choose_device_kernel, &gemm::cost);
    add_device_op<fk_dense_shape>("dense", &dense::choose_device_kernel, &dense::cost);
    add_device_op<fk_elementwise_shape>("elementwise", &elementwise::choose_device_kernel, &elementwise::cost);
    add_device_op<fk_softmax_shape>("softmax", &softmax::choose_device_kernel, &softmax::cost);
    m.def("gemm_shape", &gemm_shape, py::arg("a"), py::arg("b"), py::arg("bias"), py::arg("transpose_b"), py::arg("activation"),
          py::arg("alpha"));
    m.def("dense_shape", &dense_shape, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("activation"), py::arg("alpha"));
    m.def(
        "dense_product",
        [](const py::array& record) { return shape_record(dense::product_of(shape_in<fk_dense_shape>(record))); },
        py::arg("shape"));
    m.def("activate_shape", &activate_shape, py::arg("x"), py::arg("kind"), py::arg("alpha"));
    m.def("add_shape", &add_shape, py::arg("x1"), py::arg("x2"), py::arg("activation"), py::arg("alpha"));
    m.def("softmax_shape", &softmax_shape, py::arg("x"), py::arg("axis"));
}

} // namespace

void bind_device_layers(py::module_& m) {
    add_windows(m);
    add_channels(m);
    add_products(m);
}

} // namespace fk
