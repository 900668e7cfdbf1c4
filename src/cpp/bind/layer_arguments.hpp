// The arguments of the layers in nn and linalg, each judged once for the processor and for devices.
#pragma once

#include "bind/layers.hpp"
#include "ops/batch_norm/batch_norm.hpp"
#include "ops/concat/concat.hpp"
#include "ops/dense/dense.hpp"
#include "ops/depthwise/depthwise.hpp"
#include "ops/elementwise/elementwise.hpp"
#include "ops/gemm/gemm.hpp"
#include "ops/global_pool/global_pool.hpp"
#include "ops/local_response_norm/local_response_norm.hpp"
#include "ops/pool/pool.hpp"
#include "ops/separable/separable.hpp"
#include "ops/softmax/softmax.hpp"

namespace fk {

struct PoolArguments {
    PoolArguments(const py::object& x_in, pool::Params params, const py::object& size, const py::object& stride,
                  const py::object& padding);

    py::array x_owner;
    View<const float> x;
    pool::Shape shape{};
};

struct GlobalPoolArguments {
    GlobalPoolArguments(const py::object& x_in, bool average);

    py::array x_owner;
    View<const float> x;
    global_pool::Shape shape{};
};

struct DepthwiseArguments {
    DepthwiseArguments(const py::object& x_in, const py::object& w_in, const py::object& b_in, const py::object& stride,
                       const py::object& padding, const py::object& dilation, const py::object& activation,
                       const std::optional<float>& alpha);

    py::array x_owner;
    py::array w_owner;
    View<const float> x;
    View<const float> w;
    Vector b;
    depthwise::Shape shape{};
};

struct BatchNormArguments {
    BatchNormArguments(const py::object& x_in, const py::object& gamma, const py::object& beta, const py::object& mean,
                       const py::object& variance, double epsilon, const py::object& activation,
                       const std::optional<float>& alpha);

    py::array x_owner;
    View<const float> x;                // [n, c, h, w]; h = w = 1 for features
    std::vector<py::ssize_t> shape_out; // as x came
    std::array<Vector, 4> statistics;   // gamma, beta, mean, variance
    batch_norm::Shape shape{};
};

struct LocalResponseNormArguments {
    LocalResponseNormArguments(const py::object& x_in, std::int64_t size, double alpha, double beta, double k);

    py::array x_owner;
    View<const float> x;
    local_response_norm::Shape shape{};
};

struct ConcatArguments {
    explicit ConcatArguments(const py::sequence& xs);

    std::vector<Input> inputs;
    std::vector<View<const float>> views;
    concat::Shape shape{};
};

struct GemmArguments {
    GemmArguments(const py::object& a_in, const py::object& b_in, const py::object& bias_in, bool transpose_b,
                  const py::object& activation, const std::optional<float>& alpha);

    py::array a_owner;
    py::array b_owner;
    View<const float> a;
    View<const float> b;
    Vector bias;
    gemm::Shape shape{};
};

struct DenseArguments {
    DenseArguments(const py::object& x_in, const py::object& w_in, const py::object& b_in, const py::object& activation,
                   const std::optional<float>& alpha);

    py::array x_owner;
    py::array w_owner;
    View<const float> x;
    View<const float> w;
    Vector b;
    dense::Shape shape{};
};

// One array, or two of the same shape.
struct ElementwiseArguments {
    struct Named {
        const char* name;
        const py::object& object; // None: there is none
    };
    ElementwiseArguments(const Named& a_in, const Named& b_in, const Activation& activation);

    py::array a_owner;
    py::array b_owner;
    View<const float> a;
    View<const float> b; // no data: one array
    elementwise::Shape shape{};
};

struct SoftmaxArguments {
    SoftmaxArguments(const py::object& x_in, std::int64_t axis);

    py::array x_owner;
    View<const float> x;
    std::size_t along = 0; // the axis, counted from the first
    softmax::Shape shape{};
};

struct SeparableArguments {
    SeparableArguments(const py::object& x_in, const py::object& w_dw_in, const py::object& w_pw_in, const py::object& b_in,
                       const py::object& b_dw_in, const py::object& stride, const py::object& padding, const py::object& dilation,
                       const py::object& activation_dw, const py::object& activation, const std::optional<float>& alpha);

    py::array x_owner;
    py::array dw_owner;
    py::array pw_owner;
    View<const float> x;
    View<const float> w_dw;
    View<const float> w_pw;
    Vector b;
    Vector b_dw;
    depthwise::Shape first{};
    conv2d::Shape second{};
};

inline std::vector<py::ssize_t> shape_of(const View<const float>& x) { return {x.dims.begin(), x.dims.begin() + x.rank}; }

} // namespace fk
