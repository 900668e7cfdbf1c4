#include <pybind11/stl.h>

#include "base/cpu.hpp"
#include "base/isa.hpp"
#include "base/registry.hpp"
#include "base/threads.hpp"
#include "bind/bind.hpp"
#include "bind/convert.hpp"
#include "ops/machine/machine.hpp"

namespace fk {

namespace {
py::dict cpu_facts() {
    const CpuFeatures& f = cpu_features();
    py::dict facts;
    facts["brand"] = f.brand;
    const std::pair<const char*, bool> flags[] = {{"avx", f.avx},
                                                  {"avx2", f.avx2},
                                                  {"fma", f.fma},
                                                  {"f16c", f.f16c},
                                                  {"bmi2", f.bmi2},
                                                  {"popcnt", f.popcnt},
                                                  {"avx512f", f.avx512f},
                                                  {"avx512bw", f.avx512bw},
                                                  {"avx512dq", f.avx512dq},
                                                  {"avx512vl", f.avx512vl},
                                                  {"avx512cd", f.avx512cd},
                                                  {"avx512_vnni", f.avx512vnni},
                                                  {"avx512vbmi", f.avx512vbmi},
                                                  {"avx512_vbmi2", f.avx512vbmi2},
                                                  {"avx512_bitalg", f.avx512bitalg},
                                                  {"avx512_vpopcntdq", f.avx512vpopcntdq},
                                                  {"avx512_bf16", f.avx512bf16},
                                                  {"os_ymm", f.os_ymm},
                                                  {"os_zmm", f.os_zmm}};
    for (const auto& [name, value] : flags) {
        facts[name] = value;
    }
    return facts;
}

std::vector<py::tuple> kernels() {
    std::vector<py::tuple> rows;
    for (const KernelInfo& row : kernel_registry()) {
        rows.push_back(py::make_tuple(row.op, row.name, row.target));
    }
    return rows;
}

py::tuple get_choice() {
    const Choice& c = current_choice();
    return py::make_tuple(isa_name(c.isa), c.exact, c.kernel, c.threads, c.strict);
}

void set_choice(const std::string& isa, bool exact, const std::string& kernel, int threads, bool strict) {
    const Isa wanted = isa_from_name(isa);
    require(wanted <= isa_supported(), "isa='", isa, "': this machine runs only up to ", isa_name(isa_supported()));
    require(threads >= 0 && threads <= 1024, "threads must be from 1 to 1024, is ", threads);
    current_choice() = {.isa = wanted, .exact = exact, .kernel = kernel, .threads = threads, .strict = strict};
}

py::tuple machine_peak_call(const std::string& name, double seconds) {
    const py::gil_scoped_release released;
    const machine::Peak peak = machine::measure(name, seconds);
    const py::gil_scoped_acquire held;
    return py::make_tuple(peak.operations_per_second, isa_name(peak.isa));
}

py::tuple machine_bandwidth_call(const std::string& name, std::int64_t bytes, int threads, int repetitions, double seconds) {
    machine::Bandwidth measured;
    {
        const py::gil_scoped_release released;
        measured = machine::measure_bandwidth(name, bytes, threads, repetitions, seconds);
    }
    return py::make_tuple(measured.bytes_per_second, isa_name(measured.isa));
}
} // namespace

void bind_base(py::module_& m) {
    m.def("cpu", &cpu_facts);
    m.def("isa_supported", [] { return isa_name(isa_supported()); });
    m.def("isa_default", [] { return isa_name(isa_default()); });
    m.def("kernels", &kernels);
    m.def("last_kernel", &last_kernel);
    m.def("available_cpus", &available_cpus);
    m.def("default_threads", &default_threads);
    m.def("get_choice", &get_choice);
    m.def("set_choice", &set_choice, py::arg("isa"), py::arg("exact"), py::arg("kernel"), py::arg("threads"), py::arg("strict"));
    m.def("machine_peak", &machine_peak_call, py::arg("name"), py::arg("seconds"));
    m.def("machine_bandwidth", &machine_bandwidth_call, py::arg("name"), py::arg("bytes"), py::arg("threads"),
          py::arg("repetitions"), py::arg("seconds"));
}

} // namespace fk
