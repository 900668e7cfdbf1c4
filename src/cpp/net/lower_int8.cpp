// The processor's steps on bytes.

#include "net/int8_layers.hpp"

namespace fk::net {

namespace {

struct Steps {
    Planner& planner; // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members): lives as long as a node is lowered

    void add(const Node& node, const int8::Convolution& c) const {
        const auto layer = std::make_shared<conv2d_int8::Plan>(c.shape, c.weights.values.values.data(), c.weights.zero_point,
                                                               c.weights.sums, c.planar, planner.threads());
        std::vector<int> reads{c.from};
        if (c.residual >= 0) {
            reads.push_back(c.residual);
        }
        add_step(planner, node, "conv2d_int8", *layer, reads, c.to, conv2d_int8::cost(one_image(c.shape)),
                 [layer, from = c.from, residual = c.residual, to = c.to](const Frame& f) {
                     const std::uint8_t* r = residual >= 0 ? f.bytes_in(residual) : nullptr;
                     layer->run(f.bytes_in(from), f.bytes_out(to), r, f.images, *f.scratch);
                 });
    }

    void add(const Node& node, const int8::Depthwise& d) const {
        const auto layer = std::make_shared<depthwise_int8::Plan>(d.shape, d.weights.values.values.data(), d.weights.zero_point,
                                                                  d.weights.sums, planner.threads());
        add_step(planner, node, "depthwise_int8", *layer, {d.from}, d.to, depthwise_int8::cost(one_image(d.shape)),
                 [layer, from = d.from, to = d.to](const Frame& f) {
                     layer->run(f.bytes_in(from), f.bytes_out(to), f.images, *f.scratch);
                 });
    }

    void add(const Node& node, const int8::Dense& d) const {
        const auto layer = std::make_shared<dense_int8::Plan>(d.shape, d.weights.values.values.data(), d.weights.zero_point,
                                                              d.weights.sums, d.result, planner.threads());
        add_step(planner, node, "dense_int8", *layer, {d.from}, d.to, dense_int8::cost(one_image(d.shape)),
                 [layer, from = d.from, to = d.to, floats = d.result == dense_int8::Result::floats](const Frame& f) {
                     if (floats) {
                         layer->run(f.bytes_in(from), f.out(to), f.images);
                     } else {
                         layer->run(f.bytes_in(from), f.bytes_out(to), f.images);
                     }
                 });
    }

    void add(const Node& node, const int8::Pool& p) const {
        const auto layer = std::make_shared<pool_int8::Plan>(p.shape, p.x, p.y, planner.threads());
        add_bytes(node, "pool_int8", layer, p.from, p.to, pool_int8::cost(one_image(p.shape)));
    }

    void add(const Node& node, const int8::Add& a) const {
        const auto layer = std::make_shared<add_int8::Plan>(a.params, planner.threads());
        add_step(planner, node, "add_int8", *layer, a.from, a.to, add_int8::cost({a.params.count}),
                 [layer, from = a.from, to = a.to](const Frame& f) {
                     layer->run(f.bytes_in(from[0]), f.bytes_in(from[1]), f.bytes_out(to), f.images);
                 });
    }

    void add(const Node& node, const int8::Lookup& l) const {
        const auto layer = std::make_shared<lookup_int8::Plan>(l.shape, l.table, planner.threads());
        add_bytes(node, "lookup_int8", layer, l.from, l.to, lookup_int8::cost(l.shape));
    }

    void add(const Node& node, const int8::Concat& c) const {
        const auto layer = std::make_shared<concat_int8::Plan>(c.shape, planner.threads());
        add_step(planner, node, "concat_int8", *layer, c.from, c.to, concat_int8::cost(one_image(c.shape)),
                 [layer, from = c.from, to = c.to](const Frame& f) {
                     for (std::size_t i = 0; i < from.size(); ++i) {
                         layer->run(static_cast<int>(i), f.bytes_in(from[i]), f.bytes_out(to), f.images);
                     }
                 });
    }

  private:
    // From bytes to bytes without scratch.
    template <class Plan> void add_bytes(const Node& node, const char* op, const std::shared_ptr<Plan>& layer, int from, int to,
                                         const Cost& cost) const {
        add_step(planner, node, op, *layer, {from}, to, cost,
                 [layer, from, to](const Frame& f) { layer->run(f.bytes_in(from), f.bytes_out(to), f.images); });
    }
};

} // namespace

bool lower_int8(Planner& planner, const Node& node) { return int8::lower(Steps{planner}, node); }

} // namespace fk::net
