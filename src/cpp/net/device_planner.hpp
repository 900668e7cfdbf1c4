// From an optimised graph to the steps of a device.
#pragma once

#include <set>
#include <type_traits>

#include "net/device.hpp"
#include "net/lower.hpp"
#include "ops/global_pool/global_pool.hpp"

namespace fk::net {

class DevicePlanner : public Values {
  public:
    DevicePlanner(const Graph& graph, int batch);

    // To a layer in float32.
    void lower(const Node& node);
    // To layers on bytes; false where the node has no such form, or one of its values stands better in float32. What does is
    // what does on the processor.
    bool lower_int8(const Node& node);

    DevicePlan finish();

    // A step from the node's inputs to its output: of a Shape of one image, or of the bytes of one for the whole batch.
    template <class Shape> DeviceStep& add(const Node& node, const char* op, Shape shape, const Cost& cost) {
        static_assert(std::is_trivially_copyable_v<Shape>);
        shape.n = batch();
        return add(node, op, &shape, sizeof(shape), cost);
    }
    DeviceStep& add(const Node& node, const char* op, const void* shape, std::size_t size, const Cost& cost);

    // Values as bytes are values of their own, behind those of the graph. Features flattened from an image are that image.
    int read_bytes(int value);
    // For a layer that the processor lets read planar bytes; no other layer finds the value as bytes for that, there and here.
    int read_planar_bytes(int value);
    int write_bytes(int value, const Dims& dims) { return write_bytes(value, dims, dims); }
    int write_bytes(int value, const Dims& dims, const Dims& image);
    int unnamed_bytes(const Dims& image);
    void alias_bytes(int value, const Dims& dims, int from);
    bool stands_as_bytes(int value) const { return stands_as_bytes_.contains(value); }
    const Dims& image_of(int value) const;
    int write_floats(int value, const Dims& dims);

  private:
    template <class Shape>
    DeviceStep& step(const Node& node, const char* op, const Shape& shape, const Cost& cost, const Dims& dims) {
        makes_floats(node, dims);
        return add(node, op, shape, cost);
    }
    void makes_floats(const Node& node, const Dims& dims);
    void same_memory(const Node& node, const Dims& dims);
    void read_floats(int value);
    DeviceStep& change_of_form(const char* what, int value, int from, int to, bool to_floats);

    void lower_conv2d(const Node& node);
    void lower_separable(const Node& node);
    void lower_pool(const Node& node, PoolKind kind);
    void lower_global_pool(const Node& node, GlobalPoolKind kind);
    void lower_dense(const Node& node);
    void lower_activation(const Node& node);
    void lower_add(const Node& node);
    void lower_batch_norm(const Node& node);
    void lower_softmax(const Node& node);
    void lower_local_response_norm(const Node& node);
    void lower_concat(const Node& node);
    const Dims& features(const Node& node) const;

    DevicePlan plan_;
    std::vector<std::int64_t> more_; // floats of the values behind those of the graph
    std::map<int, int> bytes_;       // value -> the value that holds its bytes
    std::map<int, Dims> images_;     // what is stored as bytes, as images
    std::set<int> stands_as_bytes_, stands_as_floats_;
};

} // namespace fk::net
