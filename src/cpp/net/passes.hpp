// Passes that turn the stored graph into the one that is run; the results agree but for rounding.
#pragma once

#include "net/graph.hpp"

namespace fk::net {

void drop_unused(Graph& graph);     // nodes whose result nobody reads
void drop_identities(Graph& graph); // dropout
void fold_batch_norm(Graph& graph); // into the convolution or dense layer before it
void fuse_add(Graph& graph);        // a sum of two into the convolution that makes one of them
void fuse_activation(Graph& graph); // into the convolution, dense layer or sum before it
void fuse_separable(Graph& graph);  // a depthwise convolution into the pointwise one after it

// All of them, in the order that they need.
void optimise(Graph& graph);

} // namespace fk::net
