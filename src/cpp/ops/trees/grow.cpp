#include "ops/trees/grow.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/error.hpp"
#include "base/tensor.hpp"
#include "base/threads.hpp"
#include "ops/trees/trees.hpp"

namespace fk::trees {
namespace {

constexpr std::int64_t piece = 1024; // samples that are summed in one go
constexpr int tries = 1000;          // draws of a pair before any will do

struct Candidate {
    std::int32_t a = 0, b = 0, threshold = 0;
};

// Samples of one node: order[begin, end).
struct Node {
    std::int64_t begin, end;
};

struct Piece {
    std::int64_t node, begin, end;
};

class Grower {
  public:
    explicit Grower(const GrowParams& params)
        : p_(params), splits_((std::int64_t(1) << params.depth) - 1), stride_(round_up(params.rank + 1, 4)),
          weighted_(params.samples * stride_), leaf_(static_cast<std::size_t>(params.samples)), chance_(params.seed) {
        for (std::int64_t i = 0; i < p_.samples; ++i) {
            for (std::int64_t k = 0; k < p_.rank; ++k) {
                weighted_[i * stride_ + k] = p_.residuals[i * p_.rank + k] * p_.weights[i];
            }
            weighted_[i * stride_ + p_.rank] = p_.weights[i];
        }
    }

    Grown run() {
        for (std::int32_t t = 0; t < p_.trees; ++t) {
            tree_.assign(static_cast<std::size_t>(splits_), Candidate{});
            split_all(drawn_samples());
            fill_leaves();
            for (const Candidate& c : tree_) {
                grown_.pairs.push_back(c.a | c.b << 16);
                grown_.thresholds.push_back(static_cast<std::int16_t>(c.threshold));
            }
        }
        for (std::int64_t i = 0; i < p_.samples; ++i) {
            for (std::int64_t k = 0; k < p_.rank; ++k) {
                p_.residuals[i * p_.rank + k] = weighted_[i * stride_ + k] / p_.weights[i];
            }
        }
        return std::move(grown_);
    }

  private:
    std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(chance_() % static_cast<std::uint64_t>(n)); }
    double unit_interval() { return static_cast<double>(chance_() >> 11U) * 0x1p-53; }

    std::vector<std::int32_t> drawn_samples() {
        std::vector<std::int32_t> order;
        for (std::int64_t i = 0; i < p_.samples; ++i) {
            if (p_.share >= 1 || unit_interval() < p_.share) {
                order.push_back(static_cast<std::int32_t>(i));
            }
        }
        return order;
    }

    [[nodiscard]] std::int32_t difference(const Candidate& c, std::int64_t sample) const {
        const std::uint8_t* row = p_.pixels + sample * p_.pool;
        return std::int32_t(row[c.a]) - row[c.b];
    }

    Candidate draw(const std::vector<std::int32_t>& order, const Node& node) {
        Candidate c;
        for (int i = 0; i < tries; ++i) {
            c.a = static_cast<std::int32_t>(below(p_.pool));
            c.b = static_cast<std::int32_t>(below(p_.pool));
            const float dx = p_.positions[2 * c.a] - p_.positions[2 * c.b];
            const float dy = p_.positions[2 * c.a + 1] - p_.positions[2 * c.b + 1];
            if (c.a != c.b && unit_interval() < std::exp(-std::hypot(double(dx), double(dy)) / p_.reach)) {
                break;
            }
        }
        if (node.end > node.begin) {
            c.threshold = difference(c, order[static_cast<std::size_t>(node.begin + below(node.end - node.begin))]);
        }
        return c;
    }

    void split_all(std::vector<std::int32_t> order) {
        std::vector<Node> nodes{{0, static_cast<std::int64_t>(order.size())}};
        std::vector<std::int32_t> moved(order.size());
        for (std::int32_t level = 0; level < p_.depth; ++level) {
            const auto count = static_cast<std::int64_t>(nodes.size());
            std::vector<Candidate> drawn;
            for (const Node& node : nodes) {
                for (std::int32_t c = 0; c < p_.candidates; ++c) {
                    drawn.push_back(draw(order, node));
                }
            }
            const std::vector<std::int64_t> best = judge(order, nodes, drawn);
            std::vector<Node> children;
            for (std::int64_t n = 0; n < count; ++n) {
                const Candidate& c = drawn[static_cast<std::size_t>(n * p_.candidates + best[static_cast<std::size_t>(n)])];
                tree_[static_cast<std::size_t>(count - 1 + n)] = c;
                const Node& node = nodes[static_cast<std::size_t>(n)];
                const auto middle = std::stable_partition(order.begin() + node.begin, order.begin() + node.end,
                                                          [&](std::int32_t i) { return difference(c, i) > c.threshold; });
                children.push_back({node.begin, middle - order.begin()});
                children.push_back({middle - order.begin(), node.end});
            }
            nodes = std::move(children);
        }
    }

    // sums[c] += rows of the piece's samples that go left by candidate c; the last row: of all samples.
    void sum_piece(const std::vector<std::int32_t>& order, const Piece& part, const Candidate* drawn, float* sums) const {
        for (std::int64_t at = part.begin; at < part.end; ++at) {
            const std::int64_t i = order[static_cast<std::size_t>(at)];
            const float* row = weighted_.data() + i * stride_;
            const std::uint8_t* pixels = p_.pixels + i * p_.pool;
            for (std::int32_t c = 0; c <= p_.candidates; ++c) {
                if (c == p_.candidates || std::int32_t(pixels[drawn[c].a]) - pixels[drawn[c].b] > drawn[c].threshold) {
                    float* to = sums + c * stride_;
                    for (std::int64_t k = 0; k < stride_; ++k) {
                        to[k] += row[k];
                    }
                }
            }
        }
    }

    // The best candidate of each node.
    std::vector<std::int64_t> judge(const std::vector<std::int32_t>& order, const std::vector<Node>& nodes,
                                    const std::vector<Candidate>& drawn) {
        std::vector<Piece> pieces;
        for (std::size_t n = 0; n < nodes.size(); ++n) {
            for (std::int64_t begin = nodes[n].begin; begin < nodes[n].end; begin += piece) {
                pieces.push_back({static_cast<std::int64_t>(n), begin, std::min(begin + piece, nodes[n].end)});
            }
        }
        const std::int64_t size = (p_.candidates + 1) * stride_;
        Tensor<float> sums(static_cast<std::int64_t>(pieces.size()) * size);
        parallel_for(static_cast<int>(pieces.size()), p_.threads, [&](int i, int) {
            const Piece& part = pieces[static_cast<std::size_t>(i)];
            sum_piece(order, part, drawn.data() + part.node * p_.candidates, sums.data() + i * size);
        });
        std::vector<std::int64_t> best(nodes.size(), 0);
        std::vector<double> total(static_cast<std::size_t>(size));
        std::size_t at = 0;
        for (std::size_t n = 0; n < nodes.size(); ++n) {
            std::fill(total.begin(), total.end(), 0.0);
            for (; at < pieces.size() && pieces[at].node == static_cast<std::int64_t>(n); ++at) {
                for (std::int64_t k = 0; k < size; ++k) {
                    total[static_cast<std::size_t>(k)] += double(sums[static_cast<std::int64_t>(at) * size + k]);
                }
            }
            best[n] = best_of(total);
        }
        return best;
    }

    [[nodiscard]] std::int64_t best_of(const std::vector<double>& sums) const {
        const auto whole = sums.data() + p_.candidates * stride_;
        std::int64_t best = 0;
        double most = -1;
        for (std::int64_t c = 0; c < p_.candidates; ++c) {
            const auto left = sums.data() + c * stride_;
            const double left_weight = left[p_.rank], right_weight = whole[p_.rank] - left_weight;
            double left_square = 0, right_square = 0;
            for (std::int64_t k = 0; k < p_.rank; ++k) {
                left_square += left[k] * left[k];
                right_square += (whole[k] - left[k]) * (whole[k] - left[k]);
            }
            const double gain =
                (left_weight > 0 ? left_square / left_weight : 0) + (right_weight > 0 ? right_square / right_weight : 0);
            if (gain > most) {
                most = gain;
                best = c;
            }
        }
        return best;
    }

    // Codes of the leaves from all samples, and what they leave of the residuals.
    void fill_leaves() {
        const std::int64_t leaves = splits_ + 1;
        const auto pieces = static_cast<int>(ceil_div(p_.samples, piece * 4));
        Tensor<float> sums(pieces * leaves * stride_);
        const auto for_piece = [&](auto&& f) {
            parallel_for(pieces, p_.threads, [&](int part, int) {
                const std::int64_t end = std::min(p_.samples, (part + 1) * piece * 4);
                for (std::int64_t i = part * piece * 4; i < end; ++i) {
                    f(part, i, weighted_.data() + i * stride_);
                }
            });
        };
        for_piece([&](int part, std::int64_t i, const float* row) {
            std::int64_t at = 0;
            while (at < splits_) {
                const Candidate& c = tree_[static_cast<std::size_t>(at)];
                at = 2 * at + (difference(c, i) > c.threshold ? 1 : 2);
            }
            leaf_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(at - splits_);
            float* to = sums.data() + (part * leaves + at - splits_) * stride_;
            for (std::int64_t k = 0; k < stride_; ++k) {
                to[k] += row[k];
            }
        });
        Tensor<float> steps(leaves * stride_);
        for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
            code_leaf(sums, pieces, leaf, steps.data() + leaf * stride_);
        }
        for_piece([&](int, std::int64_t i, float* row) {
            const float* step = steps.data() + leaf_[static_cast<std::size_t>(i)] * stride_;
            for (std::int64_t k = 0; k < p_.rank; ++k) {
                row[k] -= row[p_.rank] * step[k];
            }
        });
    }

    void code_leaf(const Tensor<float>& sums, int pieces, std::int64_t leaf, float* step) {
        const auto total = [&](std::int64_t k) {
            double sum = 0;
            for (int part = 0; part < pieces; ++part) {
                sum += double(sums[(part * (splits_ + 1) + leaf) * stride_ + k]);
            }
            return sum;
        };
        const double weight = total(p_.rank) + p_.damping;
        for (std::int64_t k = 0; k < p_.rank; ++k) {
            const double wanted = weight > 0 ? p_.shrinkage * total(k) / weight / double(p_.units[k]) : 0;
            const auto code = static_cast<std::int8_t>(std::lrint(std::clamp(wanted, -127.0, 127.0)));
            grown_.codes.push_back(code);
            step[k] = static_cast<float>(code) * p_.units[k];
        }
    }

    const GrowParams& p_;
    std::int64_t splits_, stride_;
    Tensor<float> weighted_; // [samples, stride]: weight * residual, and behind them the weight
    std::vector<std::int32_t> leaf_;
    std::mt19937_64 chance_;
    std::vector<Candidate> tree_;
    Grown grown_;
};

void check(const GrowParams& p) {
    const auto within = [](const char* name, auto value, auto least, auto most) {
        require(value >= least && value <= most, name, " is ", value, "; ", least, " to ", most, " are possible");
    };
    within("samples", p.samples, 1, std::int64_t(1) << 30);
    within("pool", p.pool, 2, most_pool / 2);
    within("rank", p.rank, 1, 256);
    within("trees", p.trees, 1, 1 << 16);
    within("depth", p.depth, 1, most_depth);
    within("candidates", p.candidates, 1, 1 << 12);
    within("reach", p.reach, 1e-6, 1e6);
    within("shrinkage", p.shrinkage, 1e-6, 1.0);
    within("damping", p.damping, 0.0, 1e9);
    within("share", p.share, 1e-3, 1.0);
    const auto positive = [](float v) { return std::isfinite(v) && v > 0; };
    require(std::all_of(p.weights, p.weights + p.samples, positive), "weights must be finite and above 0");
    require(std::all_of(p.units, p.units + p.rank, positive), "units must be finite and above 0");
    require(std::all_of(p.residuals, p.residuals + p.samples * p.rank, [](float v) { return std::isfinite(v); }),
            "residuals must be finite");
}

} // namespace

Grown grow(const GrowParams& params) {
    check(params);
    return Grower(params).run();
}

} // namespace fk::trees
