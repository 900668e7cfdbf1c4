// One-sided Jacobi on one square matrix and on many: what surrounds the rotations.

#include <cmath>
#include <limits>

#include "ops/svd/batch.hpp"
#include "ops/svd/core.hpp"

namespace fk::svd {

namespace {
constexpr int most_sweeps = 30; // six to ten is what happens

// Squared norms apart by more than this: the small column's rounding errors are no longer small beside it.
template <class T> constexpr double smallest_share = std::is_same_v<T, float> ? 1e-16 : 1e-100;

// Numbers are so large in the lanes that products of four, of the smallest share, still can be told from zero.
template <class T> constexpr int raised = std::is_same_v<T, float> ? 12 : 100;

template <class T> T tolerance(std::int64_t rows) { return std::sqrt(static_cast<T>(rows)) * std::numeric_limits<T>::epsilon(); }

// A tournament: in n - 1 rounds (n, if odd) everyone meets everyone; the player past the last sits out.
std::vector<std::int32_t> tournament(std::int32_t n, std::int32_t& rounds, std::int32_t& half) {
    const std::int32_t players = n + n % 2;
    rounds = players - 1;
    half = players / 2;
    std::vector<std::int32_t> pairs;
    pairs.reserve(static_cast<std::size_t>(rounds) * static_cast<std::size_t>(players));
    for (std::int32_t round = 0; round < rounds; ++round) {
        const auto seat = [&](std::int32_t i) { return i == 0 ? players - 1 : (round + i - 1) % rounds; };
        for (std::int32_t i = 0; i < half; ++i) {
            pairs.push_back(std::min(seat(i), seat(players - 1 - i)));
        }
        for (std::int32_t i = 0; i < half; ++i) {
            pairs.push_back(std::max(seat(i), seat(players - 1 - i)));
        }
    }
    return pairs;
}
} // namespace

template <class T> bool jacobi(const Worker<T>& worker, const Columns<T>& a, bool vectors, Square<T>& result) {
    const std::int64_t n = a.columns;
    std::int32_t rounds = 0;
    std::int32_t half = 0;
    const std::vector<std::int32_t> pairs = tournament(static_cast<std::int32_t>(n), rounds, half);
    // The rows are orthogonalised: after a QR factorisation they are sorted by norm more or less, and sweeps are fewer.
    Matrix<T> x(n, n);
    copy_scaled<T, T>({a.data, a.ld, 1}, {x.view.data, 1, x.view.ld}, n, n, T(1));
    Matrix<T> rotations(n, vectors ? n : 0);
    for (std::int64_t j = 0; j < rotations.view.columns; ++j) {
        rotations.view.at(j, j) = 1;
    }
    std::vector<double> squares(static_cast<std::size_t>(n));
    std::vector<double> work(5 * static_cast<std::size_t>(half + svd_pad));
    const bool converged = worker.steps->jacobi({.x = x.view.data,
                                                 .v = vectors ? rotations.view.data : nullptr,
                                                 .ld = x.view.ld,
                                                 .n = static_cast<std::int32_t>(n),
                                                 .squares = squares.data(),
                                                 .work = work.data(),
                                                 .pairs = pairs.data(),
                                                 .rounds = rounds,
                                                 .half = half,
                                                 .tolerance = tolerance<T>(n),
                                                 .most_sweeps = most_sweeps});
    const auto [least, most] = std::minmax_element(squares.begin(), squares.end());
    if (!converged || !(*least > smallest_share<T> * *most)) {
        return false;
    }
    result.method = "jacobi";
    for (std::int64_t j = 0; j < n; ++j) {
        const double s = std::sqrt(squares[static_cast<std::size_t>(j)]);
        result.s.push_back(s);
        const T inverse = static_cast<T>(1 / s);
        for (std::int64_t i = 0; vectors && i < n; ++i) {
            x.view.at(i, j) *= inverse;
        }
    }
    if (vectors) {
        result.u = std::move(rotations);
        result.v = std::move(x);
    }
    order(result);
    return true;
}

bool fits_lanes(const Shape& s) {
    return s.batch > 1 && std::min(s.m, s.n) <= 32 && std::max(s.m, s.n) <= 64 && (!s.full || s.m == s.n) &&
           (s.method == Method::automatic || s.method == Method::jacobi);
}

namespace {
template <class T> struct Lanes {
    const Shape& shape;
    int m, n, width; // the tall way round
    bool wide;
    Tensor<T> x, v, squares;

    Lanes(const Shape& s, int lanes)
        : shape(s), m(std::max(s.m, s.n)), n(std::min(s.m, s.n)), width(lanes), wide(s.m < s.n), x(std::int64_t(m) * n * lanes),
          v(s.vectors ? std::int64_t(n) * n * lanes : 0), squares(std::int64_t(n) * lanes) {}

    Strided<const T> matrix(const View<const T>& a, std::int64_t index) const {
        const T* data = a.data + index * a.strides[0];
        return wide ? Strided<const T>{data, a.strides[2], a.strides[1]} : Strided<const T>{data, a.strides[1], a.strides[2]};
    }

    // Its largest magnitude, `most`, becomes 1/2 to 1 times 2^raised; the exponent that brings it back.
    int load(const Strided<const T>& a, T most, int lane) {
        int exponent = 0;
        std::frexp(most, &exponent);
        exponent = std::max(exponent, 3 - std::numeric_limits<T>::max_exponent);
        const T scale = std::ldexp(T(1), -exponent);
        const T lift = std::ldexp(T(1), raised<T>);
        T* to = x.data() + lane;
        for (int j = 0; j < n; ++j) {
            for (int i = 0; i < m; ++i, to += width) {
                *to = a.at(i, j) * scale * lift;
            }
        }
        return exponent - raised<T>;
    }

    void reset() { // v to the identity, in all lanes
        std::fill_n(v.data(), v.size(), T(0));
        for (int j = 0; shape.vectors && j < n; ++j) {
            std::fill_n(v.data() + std::int64_t(j) * (n + 1) * width, width, T(1));
        }
    }

    void clear(int lane) { // an identity converges at once
        for (int j = 0; j < n; ++j) {
            for (int i = 0; i < m; ++i) {
                x[(std::int64_t(j) * m + i) * width + lane] = T(i == j);
            }
        }
    }

    // False where a column is next to nothing beside another.
    bool store(int lane, int exponent, const Results<T>& to, std::int64_t index) const {
        int place[32];
        T values[32];
        for (int j = 0; j < n; ++j) { // by insertion, stable
            const T value = squares[std::int64_t(j) * width + lane];
            int at = j;
            for (; at > 0 && values[at - 1] < value; --at) {
                values[at] = values[at - 1];
                place[at] = place[at - 1];
            }
            values[at] = value;
            place[at] = j;
        }
        if (!(static_cast<double>(values[n - 1]) > smallest_share<T> * static_cast<double>(values[0])) || !(values[n - 1] > 0)) {
            return false;
        }
        const int k = shape.k;
        for (int j = 0; j < k; ++j) {
            to.s[index * k + j] = std::ldexp(std::sqrt(values[j]), exponent);
        }
        if (!shape.vectors) {
            return true;
        }
        T* u = to.u + index * shape.m * k;
        T* vt = to.vt + index * shape.n * k;
        const Strided<T> tall = wide ? Strided<T>{vt, 1, m} : Strided<T>{u, k, 1};
        const Strided<T> small = wide ? Strided<T>{u, k, 1} : Strided<T>{vt, 1, n};
        for (int j = 0; j < k; ++j) {
            write(place[j], lane, 1 / std::sqrt(values[j]), j, tall, small);
        }
        return true;
    }

    void write(int from, int lane, T inverse, int j, const Strided<T>& tall, const Strided<T>& small) const {
        const T* vj = v.data() + std::int64_t(from) * n * width + lane;
        T largest = 0;
        for (int i = 0; i < n; ++i) {
            largest = std::abs(vj[i * width]) > std::abs(largest) ? vj[i * width] : largest;
        }
        const T sign = largest < 0 ? T(-1) : T(1);
        for (int i = 0; i < n; ++i) {
            small.at(i, j) = sign * vj[i * width];
        }
        const T factor = sign * inverse;
        const T* xj = x.data() + std::int64_t(from) * m * width + lane;
        for (int i = 0; i < m; ++i) {
            tall.at(i, j) = factor * xj[i * width];
        }
    }
};
} // namespace

template <class T> std::vector<std::int64_t> decompose_lanes(const SvdSteps<T>& steps, const Shape& shape, const View<const T>& a,
                                                             const std::vector<T>& largest, const Results<T>& to, int threads) {
    const std::int64_t groups = ceil_div(shape.batch, steps.lanes);
    const std::int64_t n = std::min(shape.m, shape.n);
    std::int32_t rounds = 0;
    std::int32_t half = 0;
    const std::vector<std::int32_t> seats = tournament(static_cast<std::int32_t>(n), rounds, half);
    std::vector<std::int32_t> pairs;
    for (std::int32_t i = 0; i < rounds * half; ++i) {
        const std::int32_t at = i / half * 2 * half + i % half;
        if (seats[static_cast<std::size_t>(at + half)] < n) {
            pairs.push_back(seats[static_cast<std::size_t>(at)]);
            pairs.push_back(seats[static_cast<std::size_t>(at + half)]);
        }
    }
    std::vector<std::vector<std::int64_t>> left(static_cast<std::size_t>(groups));
    const std::int64_t cut = std::min<std::int64_t>(groups, threads == 1 ? 1 : 8 * static_cast<std::int64_t>(threads));
    parallel_tasks(cut, threads, [&](std::int64_t task, int) {
        Lanes<T> lanes(shape, steps.lanes);
        std::vector<int> exponents(static_cast<std::size_t>(steps.lanes));
        for (std::int64_t group = groups * task / cut; group < groups * (task + 1) / cut; ++group) {
            const std::int64_t first = group * steps.lanes;
            const int count = static_cast<int>(std::min<std::int64_t>(steps.lanes, shape.batch - first));
            lanes.reset();
            for (int lane = 0; lane < count; ++lane) {
                exponents[static_cast<std::size_t>(lane)] =
                    lanes.load(lanes.matrix(a, first + lane), largest[static_cast<std::size_t>(first + lane)], lane);
            }
            for (int lane = count; lane < steps.lanes; ++lane) {
                lanes.clear(lane);
            }
            const unsigned open = steps.lanes_jacobi({.x = lanes.x.data(),
                                                      .v = shape.vectors ? lanes.v.data() : nullptr,
                                                      .squares = lanes.squares.data(),
                                                      .m = lanes.m,
                                                      .n = lanes.n,
                                                      .pairs = pairs.data(),
                                                      .tolerance = tolerance<T>(lanes.m),
                                                      .most_sweeps = most_sweeps});
            for (int lane = 0; lane < count; ++lane) {
                const int exponent = exponents[static_cast<std::size_t>(lane)];
                if ((open >> lane & 1U) != 0 || !lanes.store(lane, exponent, to, first + lane)) {
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

template bool jacobi(const Worker<float>&, const Columns<float>&, bool, Square<float>&);
template bool jacobi(const Worker<double>&, const Columns<double>&, bool, Square<double>&);
template std::vector<std::int64_t> decompose_lanes(const SvdSteps<float>&, const Shape&, const View<const float>&,
                                                   const std::vector<float>&, const Results<float>&, int);
template std::vector<std::int64_t> decompose_lanes(const SvdSteps<double>&, const Shape&, const View<const double>&,
                                                   const std::vector<double>&, const Results<double>&, int);

} // namespace fk::svd
