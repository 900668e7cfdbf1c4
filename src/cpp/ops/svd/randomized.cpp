#include "ops/svd/randomized.hpp"

#include <cmath>
#include <numbers>

#include "ops/svd/qr.hpp"
#include "ops/svd/svd.hpp"

namespace fk::svd {

namespace {
constexpr std::int64_t piece_rows = 512;
constexpr std::int64_t most_groups = 16;

// Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014); uniform in (0, 1].
double uniform(std::uint64_t& state) {
    state += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return (static_cast<double>(z >> 11) + 1) * 0x1p-53;
}

// Made orthonormal in place, by its QR factorisation.
template <class T> void orthonormalise(const Worker<T>& worker, Matrix<T>& x) {
    const std::int64_t l = x.view.columns;
    Matrix<T> r(l, l);
    const Reflections<T> q = factor(worker, x.view, r.view);
    Matrix<T> basis(x.view.rows, l);
    for (std::int64_t j = 0; j < l; ++j) {
        basis.view.at(j, j) = 1;
    }
    q.apply(worker, basis.view, false);
    x = std::move(basis);
}

// to [n, l] = A^T (A x), A read once: pieces of rows in groups, each with a sum of its own.
template <class T> Matrix<T> squared(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n, T scale,
                                     const Columns<T>& x) {
    const std::int64_t l = x.columns;
    const std::int64_t groups = std::min(most_groups, ceil_div(m, piece_rows));
    std::vector<Tensor<T>> sums(static_cast<std::size_t>(groups)); // [l, n] by rows
    parallel_tasks(groups, worker.threads, [&](std::int64_t group, int slot) {
        const Worker<T> own = worker.alone(slot);
        Tensor<T>& sum = sums[static_cast<std::size_t>(group)];
        sum = Tensor<T>(l * n);
        Tensor<T> between(piece_rows * l);
        const std::int64_t end = m * (group + 1) / groups;
        for (std::int64_t begin = m * group / groups; begin < end; begin += piece_rows) {
            const std::int64_t rows = std::min(piece_rows, end - begin);
            const T* here = a.data + begin * a.row;
            own.multiply({.a = here,
                          .a_row = a.row,
                          .a_column = a.column,
                          .b = x.data,
                          .b_row = 1,
                          .b_column = x.ld,
                          .c = between.data(),
                          .ldc = l,
                          .m = rows,
                          .n = l,
                          .k = n,
                          .scale = scale,
                          .add = false,
                          .packed = nullptr});
            own.multiply({.a = between.data(),
                          .a_row = 1,
                          .a_column = l,
                          .b = here,
                          .b_row = a.row,
                          .b_column = a.column,
                          .c = sum.data(),
                          .ldc = n,
                          .m = l,
                          .n = n,
                          .k = rows,
                          .scale = scale,
                          .add = true,
                          .packed = nullptr});
        }
    });
    Matrix<T> total(n, l);
    for (const Tensor<T>& sum : sums) {
        for (std::int64_t j = 0; j < l; ++j) {
            T* to = total.view.column(j);
            for (std::int64_t i = 0; i < n; ++i) {
                to[i] += sum[j * n + i];
            }
        }
    }
    return total;
}
} // namespace

template <class T> void sketch(std::uint64_t seed, std::int64_t n, std::int64_t l, T* to, std::int64_t ld) {
    std::uint64_t state = seed;
    for (std::int64_t j = 0; j < l; ++j) {
        for (std::int64_t i = 0; i < n; ++i) { // G. Box, M. Muller (1958)
            const double radius = std::sqrt(-2 * std::log(uniform(state)));
            to[i + j * ld] = static_cast<T>(radius * std::cos(2 * std::numbers::pi * uniform(state)));
        }
    }
}

template <class T> Matrix<T> random_range(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n,
                                          T scale, std::int64_t l, int iterations, std::uint64_t seed) {
    Matrix<T> x(n, l);
    sketch(seed, n, l, x.view.data, x.view.ld);
    orthonormalise(worker, x);
    for (int step = 0; step <= iterations; ++step) {
        x = squared(worker, a, m, n, scale, x.view);
        orthonormalise(worker, x);
    }
    return x;
}

template void sketch(std::uint64_t, std::int64_t, std::int64_t, float*, std::int64_t);
template void sketch(std::uint64_t, std::int64_t, std::int64_t, double*, std::int64_t);
template Matrix<float> random_range(const Worker<float>&, const Strided<const float>&, std::int64_t, std::int64_t, float,
                                    std::int64_t, int, std::uint64_t);
template Matrix<double> random_range(const Worker<double>&, const Strided<const double>&, std::int64_t, std::int64_t, double,
                                     std::int64_t, int, std::uint64_t);

} // namespace fk::svd
