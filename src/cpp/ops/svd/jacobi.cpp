// One-sided Jacobi on one square matrix: what surrounds the rotations.

#include <cmath>
#include <limits>

#include "ops/svd/core.hpp"

namespace fk::svd {

namespace {
// A tournament: in n - 1 rounds (n, if odd) everyone meets everyone; the player past the last sits out. The last one is kept.
struct Tournament {
    std::int32_t n = 0, rounds = 0, half = 0;
    std::vector<std::int32_t> pairs;

    void play(std::int32_t of) {
        if (n == of) {
            return;
        }
        n = of;
        const std::int32_t players = n + n % 2;
        rounds = players - 1;
        half = players / 2;
        pairs.clear();
        for (std::int32_t round = 0; round < rounds; ++round) {
            const auto seat = [&](std::int32_t i) { return i == 0 ? players - 1 : (round + i - 1) % rounds; };
            for (std::int32_t i = 0; i < half; ++i) {
                pairs.push_back(std::min(seat(i), seat(players - 1 - i)));
            }
            for (std::int32_t i = 0; i < half; ++i) {
                pairs.push_back(std::max(seat(i), seat(players - 1 - i)));
            }
        }
    }
};

// Up to 2 svd_half columns: a row of x is a column of a, since its rows are what is orthogonalised.
template <class T> class ByRows {
  public:
    ByRows(const SvdSteps<T>& steps, const Columns<T>& a, bool vectors)
        : steps_(steps), n_(a.columns), half_(n_ <= svd_half ? svd_half / 2 : svd_half), rows_(n_ + n_ % 2), vectors_(vectors) {
        std::fill_n(x_, rows_ * row, T(0));
        const T lift = std::ldexp(T(1), raised<T>);
        for (std::int64_t i = 0; i < n_; ++i) {
            for (std::int64_t j = 0; j < n_; ++j) {
                x_[i * row + place(j)] = lift * a.at(j, i);
            }
        }
        if (vectors) {
            std::fill_n(v_, rows_ * row, T(0));
            for (std::int64_t i = 0; i < n_; ++i) {
                v_[i * row + place(i)] = 1;
            }
        }
    }

    bool converge() {
        if (!steps_.rows_jacobi({.x = x_,
                                 .v = vectors_ ? v_ : nullptr,
                                 .rows = static_cast<std::int32_t>(rows_),
                                 .squares = squares_,
                                 .tolerance = orthogonal_enough<T>(n_),
                                 .most_sweeps = most_sweeps})) {
            return false;
        }
        T least = squares_[place(0)], most = least;
        for (std::int64_t j = 0; j < n_; ++j) {
            least = std::min(least, squares_[place(j)]);
            most = std::max(most, squares_[place(j)]);
        }
        return least > smallest_share<T> * most;
    }

    // Lengths in float64: thousands of rotations have each rounded a little off them.
    void results(Square<T>& to) const {
        double x_squares[row] = {}, v_squares[row] = {};
        T largest[row] = {}, signs[row] = {};
        for (std::int64_t i = 0; i < n_; ++i) {
            for (std::int64_t p = 0; p < row; ++p) {
                const T x = x_[i * row + p];
                x_squares[p] += static_cast<double>(x) * static_cast<double>(x);
                signs[p] = std::abs(x) > largest[p] ? x : signs[p];
                largest[p] = std::max(largest[p], std::abs(x));
            }
        }
        for (std::int64_t i = 0; vectors_ && i < n_; ++i) {
            for (std::int64_t p = 0; p < row; ++p) {
                v_squares[p] += static_cast<double>(v_[i * row + p]) * static_cast<double>(v_[i * row + p]);
            }
        }
        std::int64_t places[row];
        for (std::int64_t j = 0; j < n_; ++j) {
            places[j] = place(j);
        }
        std::stable_sort(places, places + n_, [&](std::int64_t p, std::int64_t q) { return x_squares[p] > x_squares[q]; });
        to.method = "jacobi";
        if (vectors_) {
            to.u = Matrix<T>(n_, n_);
            to.v = Matrix<T>(n_, n_);
        }
        for (std::int64_t j = 0; j < n_; ++j) {
            const std::int64_t p = places[j];
            const double s = std::sqrt(x_squares[p]);
            to.s.push_back(std::ldexp(s, -raised<T>));
            const double sign = signs[p] < 0 ? -1 : 1;
            const double right = sign / s, left = sign / std::sqrt(v_squares[p]);
            for (std::int64_t i = 0; vectors_ && i < n_; ++i) {
                to.v.view.at(i, j) = static_cast<T>(right * static_cast<double>(x_[i * row + p]));
                to.u.view.at(i, j) = static_cast<T>(left * static_cast<double>(v_[i * row + p]));
            }
        }
    }

  private:
    static constexpr std::int64_t row = 2 * svd_half;
    std::int64_t place(std::int64_t j) const { return j < half_ ? j : svd_half + j - half_; }

    const SvdSteps<T>& steps_;
    std::int64_t n_, half_, rows_;
    bool vectors_;
    alignas(alignment) T x_[row * row];
    alignas(alignment) T v_[row * row];
    alignas(alignment) T squares_[row];
};
} // namespace

template <class T> bool jacobi(const Worker<T>& worker, const Columns<T>& a, bool vectors, Square<T>& result) {
    const std::int64_t n = a.columns;
    if (worker.steps->rows_jacobi != nullptr && n <= 2 * svd_half) {
        ByRows<T> small(*worker.steps, a, vectors);
        if (!small.converge()) {
            return false;
        }
        small.results(result);
        return true;
    }
    static thread_local Tournament tournament;
    tournament.play(static_cast<std::int32_t>(n));
    // The rows are orthogonalised: after a QR factorisation they are sorted by norm more or less, and sweeps are fewer.
    Matrix<T> x(n, n);
    copy_scaled<T, T>({a.data, a.ld, 1}, {x.view.data, 1, x.view.ld}, n, n, std::ldexp(T(1), raised<T>));
    Matrix<T> rotations(n, vectors ? n : 0);
    for (std::int64_t j = 0; j < rotations.view.columns; ++j) {
        rotations.view.at(j, j) = 1;
    }
    std::vector<T> squares(static_cast<std::size_t>(n));
    std::vector<T> work(4 * static_cast<std::size_t>(tournament.half + svd_pad));
    const bool converged = worker.steps->jacobi({.x = x.view.data,
                                                 .v = vectors ? rotations.view.data : nullptr,
                                                 .ld = x.view.ld,
                                                 .n = static_cast<std::int32_t>(n),
                                                 .squares = squares.data(),
                                                 .work = work.data(),
                                                 .pairs = tournament.pairs.data(),
                                                 .rounds = tournament.rounds,
                                                 .half = tournament.half,
                                                 .tolerance = orthogonal_enough<T>(n),
                                                 .most_sweeps = most_sweeps});
    const auto [least, most] = std::minmax_element(squares.begin(), squares.end());
    if (!converged || !(*least > smallest_share<T> * *most)) {
        return false;
    }
    result.method = "jacobi";
    for (std::int64_t j = 0; j < n; ++j) {
        const double s = std::sqrt(static_cast<double>(squares[static_cast<std::size_t>(j)]));
        result.s.push_back(std::ldexp(s, -raised<T>));
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

template bool jacobi(const Worker<float>&, const Columns<float>&, bool, Square<float>&);
template bool jacobi(const Worker<double>&, const Columns<double>&, bool, Square<double>&);

} // namespace fk::svd
