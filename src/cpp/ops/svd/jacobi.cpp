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
} // namespace

template <class T> bool jacobi(const Worker<T>& worker, const Columns<T>& a, bool vectors, Square<T>& result) {
    const std::int64_t n = a.columns;
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
