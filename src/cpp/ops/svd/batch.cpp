#include "ops/svd/batch.hpp"

#include <cmath>

#include "ops/svd/core.hpp"

namespace fk::svd {

namespace {
// As many matrices as there are lanes, the tall way round.
template <class T> class Lanes {
  public:
    Lanes(const SvdSteps<T>& steps, const Shape& shape)
        : steps_(steps), shape_(shape), wide_(shape.m < shape.n), m_(std::max(shape.m, shape.n)), n_(std::min(shape.m, shape.n)),
          width_(steps.lanes), x_(std::int64_t(m_) * n_ * width_), v_(shape.vectors != 0 ? std::int64_t(n_) * n_ * width_ : 0),
          squares_(std::int64_t(n_) * width_), scales_(width_), back_(width_) {
        for (int i = 0; i < shape.m; ++i) {
            for (int j = 0; j < shape.n; ++j) {
                in_.push_back(wide_ ? i * m_ + j : j * m_ + i);
            }
        }
        const int columns = shape.k;
        for (int f = 0; f < shape.m * columns; ++f) { // u by rows
            const int i = f / columns, j = f % columns;
            u_.push_back(wide_ ? j * n_ + i : j * m_ + i);
        }
        for (int f = 0; f < columns * shape.n; ++f) { // a row of vt is a column of v
            vt_.push_back(f);
        }
    }

    // Matrices first .. first + count - 1, by their largest magnitudes; where there are no more, the identity.
    void load(const View<const T>& a, std::int64_t first, int count, const T* largest) {
        const T* from = a.data + first * a.strides[0];
        if (a.strides[2] == 1 && a.strides[1] == shape_.n) {
            steps_.into_lanes({.matrices = from,
                               .out = nullptr,
                               .step = a.strides[0],
                               .count = count,
                               .size = shape_.m * shape_.n,
                               .place = in_.data(),
                               .lanes = x_.data()});
        } else {
            for (int lane = 0; lane < count; ++lane, from += a.strides[0]) {
                for (int i = 0; i < shape_.m; ++i) {
                    for (int j = 0; j < shape_.n; ++j) {
                        x_[std::int64_t(in_[static_cast<std::size_t>(i * shape_.n + j)]) * width_ + lane] =
                            from[i * a.strides[1] + j * a.strides[2]];
                    }
                }
            }
        }
        for (int lane = 0; lane < count; ++lane) {
            int exponent = 0;
            std::frexp(largest[lane], &exponent);
            exponent = std::max(exponent, 3 - std::numeric_limits<T>::max_exponent);
            scales_[lane] = std::ldexp(T(1), -exponent);
            back_[lane] = std::ldexp(T(1), exponent);
        }
        for (int lane = count; lane < width_; ++lane) {
            for (int at = 0; at < m_ * n_; ++at) {
                x_[std::int64_t(at) * width_ + lane] = T(at % (m_ + 1) == 0);
            }
            scales_[lane] = back_[lane] = 1;
        }
    }

    // Bits of the lanes that are left to others.
    unsigned decompose() {
        return steps_.lanes_jacobi({.x = x_.data(),
                                    .v = shape_.vectors != 0 ? v_.data() : nullptr,
                                    .squares = squares_.data(),
                                    .scales = scales_.data(),
                                    .back = back_.data(),
                                    .lift = std::ldexp(T(1), raised<T>),
                                    .m = m_,
                                    .n = n_,
                                    .tolerance = orthogonal_enough<T>(m_),
                                    .smallest_share = smallest_share<T>,
                                    .most_sweeps = most_sweeps});
    }

    void store(const Results<T>& to, std::int64_t first, int count) {
        const std::int64_t k = shape_.k;
        store(squares_, vt_, to.s + first * k, k, count);
        if (shape_.vectors != 0) {
            store(wide_ ? v_ : x_, u_, to.u + first * shape_.m * k, shape_.m * k, count);
            store(wide_ ? x_ : v_, vt_, to.vt + first * k * shape_.n, k * shape_.n, count);
        }
    }

  private:
    void store(Tensor<T>& lanes, const std::vector<std::int32_t>& place, T* to, std::int64_t size, int count) {
        steps_.out_of_lanes({.matrices = nullptr,
                             .out = to,
                             .step = size,
                             .count = count,
                             .size = static_cast<std::int32_t>(size),
                             .place = place.data(),
                             .lanes = lanes.data()});
    }

    const SvdSteps<T>& steps_;
    const Shape& shape_;
    bool wide_;
    int m_, n_, width_;
    Tensor<T> x_, v_, squares_, scales_, back_;
    std::vector<std::int32_t> in_, u_, vt_; // where the numbers of a, u and vt stand in the lanes
};
} // namespace

bool fits_lanes(const Shape& s) {
    return s.batch > 1 && std::min(s.m, s.n) <= 32 && std::max(s.m, s.n) <= 64 && (s.full == 0 || s.m == s.n) &&
           (method_of(s) == Method::automatic || method_of(s) == Method::jacobi);
}

template <class T> std::vector<std::int64_t> decompose_lanes(const SvdSteps<T>& steps, const Shape& shape, const View<const T>& a,
                                                             const std::vector<T>& largest, const Results<T>& to, int threads) {
    const std::int64_t groups = ceil_div(shape.batch, steps.lanes);
    std::vector<std::vector<std::int64_t>> left(static_cast<std::size_t>(groups));
    const std::int64_t cut = std::min<std::int64_t>(groups, threads == 1 ? 1 : 8 * static_cast<std::int64_t>(threads));
    parallel_tasks(cut, threads, [&](std::int64_t task, int) {
        Lanes<T> lanes(steps, shape);
        for (std::int64_t group = groups * task / cut; group < groups * (task + 1) / cut; ++group) {
            const std::int64_t first = group * steps.lanes;
            const int count = static_cast<int>(std::min<std::int64_t>(steps.lanes, shape.batch - first));
            lanes.load(a, first, count, largest.data() + first);
            const unsigned open = lanes.decompose();
            lanes.store(to, first, count);
            for (int lane = 0; lane < count; ++lane) {
                if ((open >> lane & 1U) != 0) {
                    left[static_cast<std::size_t>(group)].push_back(first + lane);
                }
            }
        }
    });
    std::vector<std::int64_t> all;
    for (const auto& some : left) {
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

template std::vector<std::int64_t> decompose_lanes(const SvdSteps<float>&, const Shape&, const View<const float>&,
                                                   const std::vector<float>&, const Results<float>&, int);
template std::vector<std::int64_t> decompose_lanes(const SvdSteps<double>&, const Shape&, const View<const double>&,
                                                   const std::vector<double>&, const Results<double>&, int);

} // namespace fk::svd
