#include <pybind11/pybind11.h>

#include "base/error.hpp"
#include "bind/bind.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, m) {
    m.doc() = "ferkern's native kernels; the documented functions over them are in the package.";
    m.attr("__version__") = FERKERN_VERSION;

    // The pointer comes by value because pybind11 says so. NOLINTNEXTLINE(performance-unnecessary-value-param)
    py::register_local_exception_translator([](std::exception_ptr raised) {
        try {
            if (raised) {
                std::rethrow_exception(raised);
            }
        } catch (const fk::TypeError& e) {
            py::set_error(PyExc_TypeError, e.what());
        } catch (const fk::ValueError& e) {
            py::set_error(PyExc_ValueError, e.what());
        } catch (const fk::ModelError& e) {
            const py::object error = py::module_::import("ferkern.errors").attr("ModelError");
            py::set_error(error, e.what());
        }
    });

    fk::bind_base(m);
    fk::bind_nn(m);
    fk::bind_device(m);
    fk::bind_device_layers(m);
    fk::bind_device_linalg(m);
    fk::bind_device_image(m);
    fk::bind_pool(m);
    fk::bind_separable(m);
    fk::bind_dense(m);
    fk::bind_linalg(m);
    fk::bind_binary(m);
    fk::bind_device_binary(m);
    fk::bind_face(m);
    fk::bind_device_cascade(m);
    fk::bind_landmarks(m);
    fk::bind_net(m);
    fk::bind_int8(m);
    fk::bind_device_int8(m);
    fk::bind_image(m);
    fk::bind_flow(m);
    fk::bind_flow_dense(m);
    fk::bind_flow_field(m);
    fk::bind_device_flow(m);
}
