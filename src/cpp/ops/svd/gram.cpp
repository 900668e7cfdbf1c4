#include "ops/svd/gram.hpp"

#include <cmath>

namespace fk::svd {

namespace {
// float32 products are exact in float64, so A^T A is as good as A for singular values down to 2^-26 of the largest; U = A (R^-1
// X) is off by the condition number times 2^-24 of its unit length, and by 2^-24 after the second pass, which needs a first one
// that is not far off.
constexpr double most_condition = 1e5;
constexpr double good_condition = 8;
// Up to here A^T A may be summed in float32: its errors count with the square of the condition number.
constexpr double quick_condition = 4;
constexpr std::int64_t group_rows = 1024; // ten groups of 10,000 rows, so that two threads share them evenly
constexpr std::int64_t most_groups = 16;

// Lower halves, into the first.
void add_up(std::vector<Matrix<double>>& sums, std::int64_t n) {
    for (std::size_t group = 1; group < sums.size(); ++group) {
        for (std::int64_t j = 0; j < n; ++j) {
            double* to = sums[0].view.column(j);
            const double* from = sums[group].view.column(j);
            for (std::int64_t i = j; i < n; ++i) {
                to[i] += from[i];
            }
        }
    }
}

// A^T A, its lower half by columns; groups of rows are summed on their own and then in their order.
Matrix<double> gram_matrix(const Worker<float>& worker, const Strided<const float>& a, std::int64_t m, std::int64_t n) {
    const std::int64_t groups = std::min(most_groups, ceil_div(m, group_rows));
    std::vector<Matrix<double>> sums(static_cast<std::size_t>(groups));
    parallel_tasks(groups, worker.threads, [&](std::int64_t group, int) {
        Tensor<double> packed(svd_depth * round_up(n, svd_pad));
        Matrix<double>& g = sums[static_cast<std::size_t>(group)];
        g = Matrix<double>(n, round_up(n, svd_pad));
        const std::int64_t begin = m * group / groups;
        worker.kernels->gram({.a = a.data + begin * a.row,
                              .row = a.row,
                              .column = a.column,
                              .rows = m * (group + 1) / groups - begin,
                              .n = n,
                              .g = g.view.data,
                              .ldg = g.view.ld,
                              .packed = packed.data()});
    });
    add_up(sums, n);
    return std::move(sums[0]);
}

// The same from float32 products, for columns that are far from dependent: sums of 128 terms at the most before they are added in
// float64, so that a column of equal numbers, each rounded the same way, is off by some units of 2^-24 and not by thousands.
Matrix<double> quick_gram_matrix(const Worker<float>& worker, const Strided<const float>& a, std::int64_t m, std::int64_t n) {
    constexpr std::int64_t rows = 128, panel = 32;
    const std::int64_t groups = std::min(most_groups, ceil_div(m, group_rows));
    std::vector<Matrix<double>> sums(static_cast<std::size_t>(groups));
    parallel_tasks(groups, worker.threads, [&](std::int64_t group, int slot) {
        const Worker<float> own = worker.alone(slot);
        Tensor<float> part(n * panel);
        Tensor<double> total(n * round_up(n, panel)); // panels of columns, each by rows from its diagonal on
        const std::int64_t end = m * (group + 1) / groups;
        for (std::int64_t begin = m * group / groups; begin < end; begin += rows) {
            for (std::int64_t j = 0; j < n; j += panel) {
                const float* here = a.data + begin * a.row + j * a.column;
                const std::int64_t columns = std::min(panel, n - j);
                own.multiply({.a = here,
                              .a_row = a.column,
                              .a_column = a.row,
                              .b = here,
                              .b_row = a.row,
                              .b_column = a.column,
                              .c = part.data(),
                              .ldc = columns,
                              .m = n - j,
                              .n = columns,
                              .k = std::min(rows, end - begin),
                              .scale = 1,
                              .add = false,
                              .packed = nullptr});
                double* to = total.data() + j * n;
                for (std::int64_t i = 0; i < (n - j) * columns; ++i) {
                    to[i] += static_cast<double>(part[i]);
                }
            }
        }
        Matrix<double>& g = sums[static_cast<std::size_t>(group)];
        g = Matrix<double>(n, n);
        for (std::int64_t j = 0; j < n; j += panel) {
            const std::int64_t columns = std::min(panel, n - j);
            copy_scaled<double, double>({total.data() + j * n, columns, 1}, {g.view.column(j) + j, 1, g.view.ld}, n - j, columns,
                                        1.0);
        }
    });
    add_up(sums, n);
    return std::move(sums[0]);
}

// The lower half of g becomes its Cholesky factor; false where a pivot is lost in rounding.
bool cholesky(const SvdSteps<double>& steps, const Columns<double>& g) {
    const std::int64_t n = g.columns;
    double largest = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        largest = std::max(largest, g.at(k, k));
    }
    std::vector<double> row(static_cast<std::size_t>(n));
    for (std::int64_t k = 0; k < n; ++k) {
        for (std::int64_t j = 0; j < k; ++j) {
            row[static_cast<std::size_t>(j)] = g.at(k, j);
        }
        double* x = g.column(k) + k;
        steps.combine(g.data + k, g.ld, n - k, k, row.data(), -1.0, x);
        if (!(x[0] > static_cast<double>(n) * 4e-16 * largest)) {
            return false;
        }
        const double pivot = std::sqrt(x[0]);
        for (std::int64_t i = 0; i < n - k; ++i) {
            x[i] /= pivot;
        }
    }
    return true;
}

// R^-1 x for R = l^T, x [n, k] by rows of ldx numbers, in place.
void solve(const SvdSteps<double>& steps, const Columns<double>& l, double* x, std::int64_t k, std::int64_t ldx) {
    const std::int64_t n = l.columns;
    for (std::int64_t i = n - 1; i >= 0; --i) {
        double* row = x + i * ldx;
        steps.combine(row + ldx, ldx, k, n - 1 - i, l.column(i) + i + 1, -1.0, row);
        const double pivot = 1 / l.at(i, i);
        for (std::int64_t j = 0; j < k; ++j) {
            row[j] *= pivot;
        }
    }
}

std::vector<float> narrowed(const Tensor<double>& x) {
    std::vector<float> result(static_cast<std::size_t>(x.size()));
    for (std::int64_t i = 0; i < x.size(); ++i) {
        result[static_cast<std::size_t>(i)] = static_cast<float>(x[i]);
    }
    return result;
}

// The second pass: u = u R^-1 for u^T u = R^T R. The first columns, of the largest values, are trusted most, as they should be:
// what is taken from a column then never counts more than the rounding errors of the largest value.
bool orthogonalise(const Worker<float>& worker, const Strided<float>& u, std::int64_t m, std::int64_t k) {
    const Matrix<double> g = quick_gram_matrix(worker, {u.data, u.row, u.column}, m, k);
    const SvdSteps<double>& steps = worker.kernels->f64;
    if (!cholesky(steps, {g.view.data, g.view.ld, k, k})) {
        return false;
    }
    Tensor<double> inverse(k * k);
    for (std::int64_t i = 0; i < k; ++i) {
        inverse[i * k + i] = 1;
    }
    solve(steps, {g.view.data, g.view.ld, k, k}, inverse.data(), k, k);
    const std::vector<float> x = narrowed(inverse);
    constexpr std::int64_t rows = 512;
    parallel_tasks(ceil_div(m, rows), worker.threads, [&](std::int64_t piece, int slot) {
        const std::int64_t begin = piece * rows;
        const std::int64_t count = std::min(rows, m - begin);
        const Strided<float> to{u.data + begin * u.row, u.row, u.column};
        Tensor<float> before(count * k);
        copy_scaled<float, float>({to.data, to.row, to.column}, {before.data(), k, 1}, count, k, 1.0F);
        times_small<float>(worker.alone(slot), {before.data(), k, 1}, count, k, x.data(), k, to);
    });
    return true;
}
} // namespace

template <class T> void times_small(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n,
                                    const T* x, std::int64_t k, const Strided<T>& to) {
    SvdProduct<T> g{};
    g.c = to.data;
    g.k = n;
    g.scale = 1;
    if (to.column == 1) {
        g.a = a.data;
        g.a_row = a.row;
        g.a_column = a.column;
        g.b = x;
        g.b_row = k;
        g.b_column = 1;
        g.ldc = to.row;
        g.m = m;
        g.n = k;
    } else { // by columns: the transposed product
        g.a = x;
        g.a_row = 1;
        g.a_column = k;
        g.b = a.data;
        g.b_row = a.column;
        g.b_column = a.row;
        g.ldc = to.column;
        g.m = k;
        g.n = m;
    }
    worker.multiply(g);
}

namespace {
// R of A^T A = R^T R, as a lower triangle, and the decomposition of R; false where that cannot be done.
struct Triangle {
    Matrix<double> l;
    Square<float> square;
    double condition = 0; // of the first k

    bool decompose(const Worker<float>& worker, std::int64_t k, bool vectors) {
        const std::int64_t n = l.view.rows;
        double most = 0;
        for (std::int64_t j = 0; j < n; ++j) {
            most = std::max(most, l.view.at(j, j));
        }
        int exponent = 0;
        std::frexp(most, &exponent);
        const double scale = std::ldexp(1.0, -exponent);
        Matrix<float> r(n, n);
        for (std::int64_t j = 0; j < n; ++j) {
            for (std::int64_t i = 0; i <= j; ++i) {
                r.view.at(i, j) = static_cast<float>(l.view.at(j, i) * scale);
            }
        }
        square = decompose_square(worker, r.view, vectors, n < jacobi_most, false);
        for (double& s : square.s) {
            s /= scale;
        }
        condition = square.s[0] / square.s[static_cast<std::size_t>(k - 1)];
        return condition <= most_condition;
    }

    // A lower bound of it, at no cost.
    double spread() const {
        double least = l.view.at(0, 0), most = least;
        for (std::int64_t j = 1; j < l.view.columns; ++j) {
            least = std::min(least, l.view.at(j, j));
            most = std::max(most, l.view.at(j, j));
        }
        return most / least;
    }
};
} // namespace

bool gram(const Worker<float>& worker, const Strided<const float>& a, std::int64_t m, std::int64_t n, std::int64_t k,
          bool vectors, const Strided<float>& u, Square<float>& square) {
    const SvdSteps<double>& steps = worker.kernels->f64;
    const auto lower = [&](const Triangle& t) { return Columns<double>{t.l.view.data, t.l.view.ld, n, n}; };
    Triangle triangle{quick_gram_matrix(worker, a, m, n), {}};
    const bool quick = cholesky(steps, lower(triangle)) && triangle.spread() <= quick_condition &&
                       triangle.decompose(worker, n, vectors) && triangle.condition <= quick_condition;
    if (!quick) {
        triangle.l = gram_matrix(worker, a, m, n);
        if (!cholesky(steps, lower(triangle)) || !triangle.decompose(worker, k, vectors)) {
            return false;
        }
    }
    square = std::move(triangle.square);
    if (!vectors) {
        return true;
    }
    Tensor<double> x(n * k);
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < k; ++j) {
            x[i * k + j] = static_cast<double>(square.u.view.at(i, j));
        }
    }
    solve(steps, lower(triangle), x.data(), k, k);
    times_small<float>(worker, a, m, n, narrowed(x).data(), k, u);
    return triangle.condition <= good_condition || orthogonalise(worker, u, m, k);
}

template <class T>
Square<T> decompose_square(const Worker<T>& worker, const Columns<T>& a, bool vectors, bool by_jacobi, bool exact) {
    Square<T> result;
    if (by_jacobi && jacobi(worker, a, vectors, result)) {
        return result;
    }
    return bidiagonal(worker, a, vectors, exact);
}

template void times_small(const Worker<float>&, const Strided<const float>&, std::int64_t, std::int64_t, const float*,
                          std::int64_t, const Strided<float>&);
template void times_small(const Worker<double>&, const Strided<const double>&, std::int64_t, std::int64_t, const double*,
                          std::int64_t, const Strided<double>&);
template Square<float> decompose_square(const Worker<float>&, const Columns<float>&, bool, bool, bool);
template Square<double> decompose_square(const Worker<double>&, const Columns<double>&, bool, bool, bool);

} // namespace fk::svd
