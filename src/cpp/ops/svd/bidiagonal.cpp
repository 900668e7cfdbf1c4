// Householder reflections from the left and the right in turn make a square matrix bidiagonal (G. Golub, W. Kahan, 1965); in
// panels, so that half of the work is matrix products: within a panel A - V Y^T - X W^T stands for the matrix as the reflections
// V and W so far have left it (J. Dongarra, D. Sorensen, S. Hammarling, "Block reduction of matrices to condensed forms", 1989).

#include <cmath>
#include <limits>

#include "ops/svd/core.hpp"

namespace fk::svd {

namespace {

// Four sums in float64, which do not wait for each other.
template <class T> double squares(const T* x, std::int64_t n) {
    constexpr std::int64_t chains = 4;
    double sums[chains] = {};
    std::int64_t i = 0;
    for (; i + chains <= n; i += chains) {
        for (std::int64_t k = 0; k < chains; ++k) {
            sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
        }
    }
    for (; i < n; ++i) {
        sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class T> class Reduction {
  public:
    Reduction(const Worker<T>& worker, const Columns<T>& a)
        : worker_(worker), steps_(*worker.steps), a_(a), n_(a.columns), v_(n_, n_), w_(n_, n_), x_(n_, block_columns),
          y_(n_, block_columns), row_(n_), tau_v_(n_), tau_w_(n_), d(static_cast<std::size_t>(n_)),
          e(static_cast<std::size_t>(std::max<std::int64_t>(n_ - 1, 0))) {
        for (std::int64_t p = 0; p < n_; p += block_columns) {
            const std::int64_t width = std::min(block_columns, n_ - p);
            for (std::int64_t i = p; i < p + width; ++i) {
                reduce(p, i);
            }
            update(p, width);
        }
    }

    // The product of the reflections from one side times x, in place; in x's type.
    template <class X> void left_times(const Worker<X>& worker, const Columns<X>& x) { times(worker, v_, tau_v_, 0, x); }
    template <class X> void right_times(const Worker<X>& worker, const Columns<X>& x) { times(worker, w_, tau_w_, 1, x); }

  private:
    // y = A^T x or x = A y of the trailing matrix, shared between the threads where it is large.
    void trailing_dots(std::int64_t i, std::int64_t j, const T* x, T* y) {
        const std::int64_t rows = n_ - i, columns = n_ - j;
        shared(columns, rows, [&](std::int64_t begin, std::int64_t end) {
            steps_.dots(a_.column(j + begin) + i, a_.ld, rows, end - begin, x, y + begin);
        });
    }
    void trailing_combine(std::int64_t i, std::int64_t j, const T* x, T* y) {
        const std::int64_t rows = n_ - i, columns = n_ - j;
        shared(rows, columns, [&](std::int64_t begin, std::int64_t end) {
            steps_.combine(a_.column(j) + i + begin, a_.ld, end - begin, columns, x, T(1), y + begin);
        });
    }
    template <class F> void shared(std::int64_t whole, std::int64_t other, F&& f) {
        const int crew = threads_for(whole * other * static_cast<std::int64_t>(sizeof(T)), bytes_worth_a_thread, worker_.threads);
        const std::int64_t pieces = crew == 1 ? 1 : std::min<std::int64_t>(crew, ceil_div(whole, svd_pad));
        const std::int64_t piece = round_up(ceil_div(whole, pieces), svd_pad);
        parallel_for(static_cast<int>(pieces), crew, [&](int index, int) {
            const std::int64_t begin = std::min(whole, index * piece);
            f(begin, std::min(whole, begin + piece));
        });
    }

    // Column i and row i of the matrix, with the panel [p, i) behind them.
    void reduce(std::int64_t p, std::int64_t i) {
        const std::int64_t before = i - p, rows = n_ - i, rest = n_ - i - 1;
        T along[block_columns];
        T* v = v_.view.column(i) + i;
        std::copy_n(a_.column(i) + i, rows, v);
        gather(y_.view, i, before, along); // v -= V y_i + X w_i
        steps_.combine(v_.view.column(p) + i, v_.view.ld, rows, before, along, T(-1), v);
        for (std::int64_t k = 0; k < before; ++k) {
            along[k] = w_.view.at(i, p + k);
        }
        steps_.combine(x_.view.data + i, x_.view.ld, rows, before, along, T(-1), v);
        T beta = 0;
        tau_v_[i] = reflect(steps_, v, rows, beta);
        d[static_cast<std::size_t>(i)] = beta;
        if (rest == 0) {
            return;
        }
        T* y = y_.view.column(before) + i + 1; // y = tau (A^T v - Y (V^T v) - W (X^T v))
        trailing_dots(i, i + 1, v, y);
        steps_.dots(v_.view.column(p) + i, v_.view.ld, rows, before, v, along);
        steps_.combine(y_.view.data + i + 1, y_.view.ld, rest, before, along, T(-1), y);
        steps_.dots(x_.view.data + i, x_.view.ld, rows, before, v, along);
        steps_.combine(w_.view.column(p) + i + 1, w_.view.ld, rest, before, along, T(-1), y);
        scale(y, rest, tau_v_[i]);

        T* w = w_.view.column(i) + i + 1; // row i: a - Y v_i - W x_i
        for (std::int64_t k = 0; k < rest; ++k) {
            w[k] = a_.at(i, i + 1 + k);
        }
        for (std::int64_t k = 0; k <= before; ++k) {
            along[k] = v_.view.at(i, p + k);
        }
        steps_.combine(y_.view.data + i + 1, y_.view.ld, rest, before + 1, along, T(-1), w);
        gather(x_.view, i, before, along);
        steps_.combine(w_.view.column(p) + i + 1, w_.view.ld, rest, before, along, T(-1), w);
        tau_w_[i] = reflect(steps_, w, rest, beta);
        e[static_cast<std::size_t>(i)] = beta;

        T* x = x_.view.column(before) + i + 1; // x = tau (A w - V (Y^T w) - X (W^T w))
        std::fill_n(x, rest, T(0));
        trailing_combine(i + 1, i + 1, w, x);
        steps_.dots(y_.view.data + i + 1, y_.view.ld, rest, before + 1, w, along);
        steps_.combine(v_.view.column(p) + i + 1, v_.view.ld, rest, before + 1, along, T(-1), x);
        steps_.dots(w_.view.column(p) + i + 1, w_.view.ld, rest, before, w, along);
        steps_.combine(x_.view.data + i + 1, x_.view.ld, rest, before, along, T(-1), x);
        scale(x, rest, tau_w_[i]);
    }

    // The trailing matrix after the panel: A -= V Y^T + X W^T, by columns: its transpose -= Y V^T + W X^T.
    void update(std::int64_t p, std::int64_t width) {
        const std::int64_t at = p + width, rest = n_ - at;
        if (rest <= 0) {
            return;
        }
        SvdProduct<T> g{};
        g.c = a_.column(at) + at;
        g.ldc = a_.ld;
        g.m = g.n = rest;
        g.k = width;
        g.scale = -1;
        g.add = true;
        g.a_row = 1;
        g.b_column = 1;
        g.a = y_.view.data + at;
        g.a_column = y_.view.ld;
        g.b = v_.view.column(p) + at;
        g.b_row = v_.view.ld;
        worker_.multiply(g);
        g.a = w_.view.column(p) + at;
        g.a_column = w_.view.ld;
        g.b = x_.view.data + at;
        g.b_row = x_.view.ld;
        worker_.multiply(g);
    }

    template <class X>
    void times(const Worker<X>& worker, const Matrix<T>& vectors, const Tensor<T>& tau, std::int64_t below, const Columns<X>& x) {
        Reflections<X> q;
        q.below = below;
        if constexpr (std::is_same_v<X, T>) {
            q.v = vectors.view;
            q.close(worker, tau.data());
            q.apply(worker, x, false);
        } else {
            Matrix<X> rounded(n_, n_);
            Tensor<X> scales(n_);
            copy_scaled<T, X>({vectors.view.data, 1, vectors.view.ld}, {rounded.view.data, 1, rounded.view.ld}, n_, n_, X(1));
            for (std::int64_t j = 0; j < n_; ++j) { // those of the rounded vectors, whose reflections are orthogonal
                const X* v = rounded.view.column(j);
                scales[j] = tau[j] == 0 ? X(0) : static_cast<X>(2 / squares(v, n_));
            }
            q.v = rounded.view;
            q.close(worker, scales.data());
            q.apply(worker, x, false);
        }
    }

    static void gather(const Columns<T>& from, std::int64_t row, std::int64_t count, T* to) {
        for (std::int64_t k = 0; k < count; ++k) {
            to[k] = from.at(row, k);
        }
    }
    static void scale(T* x, std::int64_t count, T factor) {
        for (std::int64_t k = 0; k < count; ++k) {
            x[k] *= factor;
        }
    }

    Worker<T> worker_;
    const SvdSteps<T>& steps_;
    Columns<T> a_;
    std::int64_t n_;
    Matrix<T> v_, w_; // reflections from the left and from the right; zeros where they have none
    Matrix<T> x_, y_; // of the panel
    Tensor<T> row_, tau_v_, tau_w_;

  public:
    std::vector<double> d, e;
};

// What follows the reduction, in the type that the vectors are wanted in.
template <class T, class R> Square<T> from_bidiagonal(const Worker<T>& worker, Reduction<R>& reduction, bool vectors) {
    const auto n = static_cast<std::int64_t>(reduction.d.size());
    Square<T> result;
    result.method = "bidiagonal";
    const double eps = std::numeric_limits<T>::epsilon() / 2;
    bool done = false;
    if (vectors) {
        result.u = Matrix<T>(n, n);
        result.v = Matrix<T>(n, n);
        done = divide(worker, reduction.d, reduction.e, result.u.view, result.v.view);
        reduction.left_times(worker, result.u.view);
        reduction.right_times(worker, result.v.view);
    } else {
        done = diagonalise<T>(reduction.d, reduction.e, eps, nullptr);
    }
    require(done, "svd: the implicit QR iteration on a bidiagonal matrix of ", n, " rows has not converged in ", 30 * n,
            " sweeps");
    result.s = std::move(reduction.d);
    order(result);
    return result;
}
} // namespace

template <class T> Square<T> bidiagonal(const Worker<T>& worker, const Columns<T>& a, bool vectors, bool exact) {
    if constexpr (std::is_same_v<T, float>) {
        if (exact && vectors) {
            Tensor<double> packed = Tensor<double>::unset(svd_packed * worker.threads);
            const Worker<double> wide{worker.kernels, &worker.kernels->f64, packed.data(), worker.threads};
            Matrix<double> copy(a.rows, a.columns);
            copy_scaled<float, double>({a.data, 1, a.ld}, {copy.view.data, 1, copy.view.ld}, a.rows, a.columns, 1.0);
            Reduction<double> reduction(wide, copy.view);
            return from_bidiagonal(worker, reduction, vectors);
        }
    }
    Reduction<T> reduction(worker, a);
    return from_bidiagonal(worker, reduction, vectors);
}

template <class T> void order(Square<T>& square) {
    const auto n = static_cast<std::int64_t>(square.s.size());
    std::vector<std::int64_t> place(square.s.size());
    for (std::int64_t j = 0; j < n; ++j) {
        place[static_cast<std::size_t>(j)] = j;
    }
    const auto value = [&](std::int64_t j) { return square.s[static_cast<std::size_t>(j)]; };
    std::stable_sort(place.begin(), place.end(),
                     [&](std::int64_t i, std::int64_t j) { return std::abs(value(i)) > std::abs(value(j)); });
    std::vector<double> sorted;
    sorted.reserve(place.size());
    for (const std::int64_t j : place) {
        sorted.push_back(std::abs(value(j)));
    }
    if (square.v.view.data != nullptr) {
        Matrix<T> u(square.u.view.rows, n);
        Matrix<T> v(square.v.view.rows, n);
        for (std::int64_t to = 0; to < n; ++to) {
            const std::int64_t from = place[static_cast<std::size_t>(to)];
            const T* x = square.v.view.column(from);
            const std::int64_t rows = v.view.rows;
            const T* largest = std::max_element(x, x + rows, [](T a, T b) { return std::abs(a) < std::abs(b); });
            const double sign = *largest < 0 ? -1 : 1;
            const T* y = square.u.view.column(from);
            // Thousands of rotations have each rounded a little off its length.
            const double right = sign / std::sqrt(squares(x, rows));
            const double left = (value(from) < 0 ? -sign : sign) / std::sqrt(squares(y, u.view.rows));
            for (std::int64_t i = 0; i < rows; ++i) {
                v.view.at(i, to) = static_cast<T>(right * static_cast<double>(x[i]));
            }
            for (std::int64_t i = 0; i < u.view.rows; ++i) {
                u.view.at(i, to) = static_cast<T>(left * static_cast<double>(y[i]));
            }
        }
        square.u = std::move(u);
        square.v = std::move(v);
    }
    square.s = std::move(sorted);
}

template Square<float> bidiagonal(const Worker<float>&, const Columns<float>&, bool, bool);
template Square<double> bidiagonal(const Worker<double>&, const Columns<double>&, bool, bool);
template void order(Square<float>&);
template void order(Square<double>&);

} // namespace fk::svd
