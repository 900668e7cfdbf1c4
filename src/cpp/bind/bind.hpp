// The parts of the module; each stands in a file of its own.
#pragma once

#include <pybind11/pybind11.h>

namespace fk {

void bind_base(pybind11::module_& m);        // processor, instruction sets, kernels, threads, choices
void bind_nn(pybind11::module_& m);          // convolution
void bind_pool(pybind11::module_& m);        // layers on blocked channels: pooling, depthwise convolution, batch normalisation
void bind_separable(pybind11::module_& m);   // depthwise-separable convolution
void bind_dense(pybind11::module_& m);       // matrix products and pointwise functions
void bind_linalg(pybind11::module_& m);      // decompositions of matrices
void bind_binary(pybind11::module_& m);      // signs as bits: filters, convolution; peaks of the processor
void bind_net(pybind11::module_& m);         // graphs, planner, sessions
void bind_int8(pybind11::module_& m);        // layers on bytes
void bind_image(pybind11::module_& m);       // grey, resize, warp
void bind_flow(pybind11::module_& m);        // optical flow: pyramids, tracked points, corners
void bind_flow_dense(pybind11::module_& m);  // dense optical flow
void bind_flow_field(pybind11::module_& m);  // flow by Horn and Schunck, sampling along a flow field
void bind_device(pybind11::module_& m);      // what a device is told: shapes, kernels, dense arrays
void bind_device_flow(pybind11::module_& m); // and of optical flow

void bind_device_image(pybind11::module_& m);   // shapes and tables of the ops on pictures
void bind_device_cascade(pybind11::module_& m); // the levels and windows of a picture

void bind_face(pybind11::module_& m);      // cascades, cut-outs of faces
void bind_landmarks(pybind11::module_& m); // regression trees and their training

// What a device is told about
void bind_device_binary(pybind11::module_& m); // signs as bits
void bind_device_layers(pybind11::module_& m); // layers besides convolution
void bind_device_int8(pybind11::module_& m);   // layers on bytes
void bind_device_linalg(pybind11::module_& m); // decompositions of matrices

} // namespace fk
