#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <numeric>

#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/convert.hpp"
#include "bind/device_ops.hpp"
#include "net/device.hpp"
#include "net/planner.hpp"
#include "ops/quantize/quantize.hpp"

namespace fk {

namespace {

std::vector<double> numbers_in(const py::handle& value) {
    std::vector<double> numbers;
    if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
        for (const py::handle item : value) {
            numbers.push_back(item.cast<double>());
        }
    } else {
        numbers.push_back(value.cast<double>());
    }
    return numbers;
}

// The stored graph, handed over node by node.
class GraphBuilder {
  public:
    GraphBuilder(const std::string& name, const std::string& input, const std::vector<std::int64_t>& dims) {
        graph_.name = name;
        graph_.input = graph_.define(input);
        graph_.input_dims = dims;
    }

    void add(const std::string& op, const std::vector<std::string>& inputs, const std::string& output, const py::dict& attributes,
             const std::map<std::string, py::object>& weights) {
        net::Node node;
        node.op = op;
        node.label = op + " -> '" + output + "'";
        for (const std::string& input : inputs) {
            node.inputs.push_back(graph_.value(input));
        }
        if (node.inputs.empty()) {
            throw ModelError(message(node.label, ": has no input"));
        }
        for (const auto& [key, value] : attributes) {
            const auto attribute = key.cast<std::string>();
            if (py::isinstance<py::str>(value)) {
                node.words[attribute] = value.cast<std::string>();
            } else {
                node.numbers[attribute] = numbers_in(value);
            }
        }
        if (op == "activation") {
            const int kind = activation_kind(node.words["kind"]);
            node.activation = {kind, static_cast<float>(node.number("alpha", activation_default_alpha(kind)))};
        }
        for (const auto& [role, array] : weights) {
            py::array owner;
            const View<const float> view = view_in<float>(array, role.c_str(), 1, 4, owner);
            net::Weight weight;
            weight.dims.assign(view.dims.begin(), view.dims.begin() + view.rank);
            weight.data.resize(static_cast<std::size_t>(view.size()));
            copy_dense(view, weight.data.data());
            node.weights.emplace(role, std::move(weight));
        }
        node.output = graph_.define(output);
        node.stored = output;
        graph_.nodes.push_back(std::move(node));
    }

    // The kernel that is to serve the node that makes a value.
    void choose(const std::string& output, const std::string& kernel) {
        const auto made =
            std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const net::Node& node) { return node.stored == output; });
        if (made == graph_.nodes.end()) {
            throw ValueError(message("kernels: no node of network '", graph_.name, "' makes a value named '", output, "'"));
        }
        made->kernel = kernel;
    }

    // What bytes that stand for a value mean; a graph with any is planned for layers on bytes.
    void quantize(const std::string& value, float scale, int zero_point) {
        const Quantization q{scale, zero_point};
        try {
            quantize::check_quantization(q);
        } catch (const ValueError& e) {
            throw ModelError(message("network '", graph_.name, "': quantisation of '", value, "': ", e.what()));
        }
        graph_.quantization[graph_.value(value)] = q;
    }

    net::Graph graph_;
};

// A Shape's bytes as the record of its op.
py::array record_of(const DeviceOp& op, const net::DeviceStep& step) {
    py::array record(op.record, std::vector<py::ssize_t>{});
    if (static_cast<std::size_t>(record.nbytes()) != step.shape.size()) {
        throw ModelError(message(step.node, ": the Shape of op '", step.op, "' is not that of its device kernels"));
    }
    std::memcpy(record.mutable_data(), step.shape.data(), step.shape.size());
    return record;
}

py::dict weights_of(const net::DeviceStep& step) {
    py::dict weights;
    for (const auto& [role, weight] : step.weights) {
        py::array_t<float> array(std::vector<py::ssize_t>(weight.dims.begin(), weight.dims.end()));
        std::copy(weight.data.begin(), weight.data.end(), array.mutable_data());
        weights[role.c_str()] = array;
    }
    return weights;
}

// The steps of a network on a device as dictionaries, floats of each value, and which values are the input and the output.
py::tuple device_plan(const GraphBuilder& builder, const std::string& output, int batch, const std::string& target) {
    require(batch >= 1, "batch must be at least 1, is ", batch);
    net::Graph graph = builder.graph_;
    graph.output = graph.value(output);
    const net::DevicePlan plan = net::plan_device(std::move(graph), batch);
    py::list steps;
    for (const net::DeviceStep& step : plan.steps) {
        py::dict made;
        made["node"] = step.node;
        made["value"] = step.value;
        made["op"] = step.op;
        made["inputs"] = step.inputs;
        made["residual"] = step.residual;
        made["output"] = step.output;
        if (!step.op.empty()) {
            const auto op = device_ops().find(step.op);
            if (op == device_ops().end()) {
                throw ModelError(message(step.node, ": op '", step.op, "' has no kernels on devices"));
            }
            const net::ChosenKernel chosen(step.kernel);
            const auto [name, function] = op->second.kernel(step.shape.data(), target);
            made["shape"] = record_of(op->second, step);
            made["kernel"] = std::string(step.op).append(":").append(name).append(":").append(target);
            made["function"] = function;
            made["by_name"] = !step.kernel.empty();
            made["weights"] = weights_of(step);
            made["cost"] = py::make_tuple(step.cost.flops, step.cost.bytes_read, step.cost.bytes_written, step.cost.weight_bytes);
        }
        steps.append(made);
    }
    return py::make_tuple(steps, plan.floats, plan.input, plan.output);
}

// x [n, dims...] as a session takes it, and the array of its result.
struct RunArrays {
    RunArrays(const py::object& x_in, const std::optional<py::object>& out, const net::Dims& input_dims,
              const net::Dims& output_dims) {
        const int rank = static_cast<int>(input_dims.size()) + 1;
        x = dense_in<float>(x_in, "x", rank, rank, x_owner);
        for (int d = 1; d < rank; ++d) {
            const std::int64_t expected = input_dims[static_cast<std::size_t>(d - 1)];
            require(x_owner.shape(d) == expected, "x has shape ", shape_text(x_owner), ", axis ", d, " must be ", expected);
        }
        std::vector<py::ssize_t> shape{x_owner.shape(0)};
        shape.insert(shape.end(), output_dims.begin(), output_dims.end());
        y = output_array<float>(out, shape, {{"x", x_owner}});
    }
    std::int64_t images() const { return x_owner.shape(0); }

    py::array x_owner;
    const float* x = nullptr;
    py::array_t<float> y;
};

std::int64_t floats_in(const net::Dims& dims) {
    return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

class Session {
  public:
    Session(const GraphBuilder& builder, const std::string& output, const std::vector<std::int64_t>& output_dims, int batch,
            int threads)
        : input_dims_(builder.graph_.input_dims), output_dims_(output_dims), program_(make(builder, output, batch, threads)) {}

    py::array_t<float> run(const py::object& x_in, const std::optional<py::object>& out, std::vector<double>* seconds = nullptr) {
        RunArrays arrays(x_in, out, input_dims_, output_dims_);
        const float* x = arrays.x;
        const std::int64_t images = arrays.images(), x_image = floats_in(input_dims_), y_image = floats_in(output_dims_);
        py::array_t<float>& y = arrays.y;
        float* to = y.mutable_data();
        {
            const py::gil_scoped_release released;
            const std::lock_guard one_at_a_time(busy_); // the arena serves one run; other sessions are not concerned
            std::vector<double> once(seconds != nullptr ? seconds->size() : 0);
            for (std::int64_t first = 0; first < images; first += program_.batch()) {
                const int n = static_cast<int>(std::min<std::int64_t>(program_.batch(), images - first));
                program_.run(x + first * x_image, to + first * y_image, n, seconds != nullptr ? once.data() : nullptr);
                for (std::size_t i = 0; i < once.size(); ++i) {
                    (*seconds)[i] += once[i];
                }
            }
        }
        return arrays.y;
    }

    py::tuple profile(const py::object& x) {
        std::vector<double> seconds(program_.steps().size(), 0.0);
        py::array_t<float> y = run(x, std::nullopt, &seconds);
        return py::make_tuple(y, seconds);
    }

    // (node, kernel, flops, bytes read, bytes written, value, bytes of weights, work, images at once) of each step: Cost, for one
    // image.
    std::vector<py::tuple> steps() const {
        std::vector<py::tuple> rows;
        for (const net::Step& step : program_.steps()) {
            const int at_once = program_.images_at_once(static_cast<int>(rows.size()));
            rows.push_back(py::make_tuple(step.node, step.kernel, step.cost.flops, step.cost.bytes_read, step.cost.bytes_written,
                                          step.value, step.cost.weight_bytes,
                                          step.cost.work > 0 ? step.cost.work : step.cost.flops, at_once));
        }
        return rows;
    }

    std::int64_t arena_bytes() const { return program_.arena_bytes(); }
    int threads() const { return program_.threads(); }

  private:
    static net::Program make(const GraphBuilder& builder, const std::string& output, int batch, int threads) {
        require(batch >= 1, "batch must be at least 1, is ", batch);
        require(threads >= 0 && threads <= 1024, "threads must be from 1 to 1024, is ", threads);
        net::Graph graph = builder.graph_;
        graph.output = graph.value(output);
        return net::plan(std::move(graph), batch, threads > 0 ? threads : chosen_threads());
    }

    net::Dims input_dims_, output_dims_;
    net::Program program_;
    std::mutex busy_;
};

} // namespace

void bind_net(py::module_& m) {
    m.def(
        "run_arrays",
        [](const py::object& x, const std::optional<py::object>& out, const net::Dims& input_dims, const net::Dims& output_dims) {
            const RunArrays arrays(x, out, input_dims, output_dims);
            return py::make_tuple(arrays.x_owner, arrays.y);
        },
        py::arg("x"), py::arg("out"), py::arg("input_dims"), py::arg("output_dims"));
    py::class_<GraphBuilder>(m, "Graph")
        .def(py::init<const std::string&, const std::string&, const std::vector<std::int64_t>&>(), py::arg("name"),
             py::arg("input"), py::arg("dims"))
        .def("add", &GraphBuilder::add, py::arg("op"), py::arg("inputs"), py::arg("output"), py::arg("attributes"),
             py::arg("weights"))
        .def("choose", &GraphBuilder::choose, py::arg("output"), py::arg("kernel"))
        .def("quantize", &GraphBuilder::quantize, py::arg("value"), py::arg("scale"), py::arg("zero_point"))
        .def("device_plan", &device_plan, py::arg("output"), py::arg("batch"), py::arg("target"));
    py::class_<Session>(m, "Session")
        .def(py::init<const GraphBuilder&, const std::string&, const std::vector<std::int64_t>&, int, int>(), py::arg("graph"),
             py::arg("output"), py::arg("output_dims"), py::arg("batch"), py::arg("threads"))
        .def(
            "run", [](Session& s, const py::object& x, const std::optional<py::object>& out) { return s.run(x, out); },
            py::arg("x"), py::arg("out"))
        .def("profile", &Session::profile, py::arg("x"))
        .def("steps", &Session::steps)
        .def("arena_bytes", &Session::arena_bytes)
        .def("threads", &Session::threads);
}

} // namespace fk
