// Passes that turn the stored graph into the one that is run; the results agree but for rounding.
#pragma once

#include "net/graph.hpp"

namespace fk::net {

void drop_unused(Graph& graph);     // nodes whose result nobody reads
void drop_identities(Graph& graph); // dropout
void fold_batch_norm(Graph& graph); // into the convolution or dense layer before it
void fuse_add(Graph& graph);        // a sum of two into the convolution that makes one of them
// Into the convolution, dense layer or sum before it: all activations, or those that are wanted.
void fuse_activation(Graph& graph, bool (*wanted)(const Activation&) = nullptr);
void fuse_separable(Graph& graph); // a depthwise convolution into the pointwise one after it

// All of them, in the order that they need.
void optimise(Graph& graph);
// The same for layers on bytes: only activations that are a clip are fused, and values that pass through unchanged, or are
// copied into one, get one quantisation.
void optimise_int8(Graph& graph);

} // namespace fk::net
