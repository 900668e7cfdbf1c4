#include "ops/svd/qr.hpp"

#include <cmath>
#include <limits>

namespace fk::svd {

namespace {
// Squares below this have lost digits to underflow.
template <class T> constexpr T least_square = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();

// Rows of a piece of the tree: 512 KiB of 128 float32 columns, half a second-level cache.
std::int64_t piece_rows(std::int64_t n) { return std::max<std::int64_t>(4 * n, 1024); }
} // namespace

template <class T> T reflect(const SvdSteps<T>& steps, T* x, std::int64_t n, T& beta) {
    T rest = 0;
    T unit = 1;
    if (n > 1) {
        steps.dots(x + 1, n, n - 1, 1, x + 1, &rest);
        if (rest < least_square<T>) { // raised until its square can be told, if it is not zero
            const T most = steps.largest(x + 1, n - 1);
            if (most > 0) {
                unit = std::ldexp(T(1), std::min(-std::ilogb(most), std::numeric_limits<T>::max_exponent - 2));
                for (std::int64_t i = 0; i < n; ++i) {
                    x[i] *= unit;
                }
                steps.dots(x + 1, n, n - 1, 1, x + 1, &rest);
            }
        }
    }
    if (!(rest > 0) || !std::isfinite(x[0])) {
        beta = x[0] / unit;
        if (n > 1) {
            std::fill(x + 1, x + n, T(0));
        }
        x[0] = 1;
        return 0;
    }
    // In float64, where the square of a float32 cannot overflow either.
    const double alpha = x[0];
    const double size = -std::copysign(std::sqrt(alpha * alpha + static_cast<double>(rest)), alpha);
    const T factor = static_cast<T>(1 / (alpha - size));
    for (std::int64_t i = 1; i < n; ++i) {
        x[i] *= factor;
    }
    x[0] = 1;
    beta = static_cast<T>(size) / unit;
    return static_cast<T>((size - alpha) / size);
}

namespace {
// Column k of a block's triangle: t[0..k, k] = -tau t (V^T v_k), t[k, k] = tau. products [k] = V^T v_k.
template <class T> void extend(T* t, std::int64_t k, const T* products, T tau) {
    for (std::int64_t i = 0; i < k; ++i) {
        T sum = 0;
        for (std::int64_t j = i; j < k; ++j) {
            sum += t[i + j * block_columns] * products[j];
        }
        t[i + k * block_columns] = -tau * sum;
    }
    t[k + k * block_columns] = tau;
}

// One panel [rows, width] of the factorisation, column by column: each is updated by the reflections before it, gives what
// stands above the diagonal to r [width, width] (v has zeros there) and is reflected.
template <class T> void factor_panel(const SvdSteps<T>& steps, const Columns<T>& a, T* t, const Columns<T>& r) {
    T products[block_columns];
    T turned[block_columns];
    for (std::int64_t k = 0; k < a.columns; ++k) {
        T* x = a.column(k);
        if (k > 0) { // x -= V t^T (V^T x)
            steps.dots(a.data, a.ld, a.rows, k, x, products);
            for (std::int64_t i = 0; i < k; ++i) {
                turned[i] = 0;
                for (std::int64_t j = 0; j <= i; ++j) {
                    turned[i] += t[j + i * block_columns] * products[j];
                }
            }
            steps.combine(a.data, a.ld, a.rows, k, turned, T(-1), x);
            std::copy_n(x, k, r.column(k));
            std::fill_n(x, k, T(0));
        }
        const T tau = reflect(steps, x + k, a.rows - k, r.at(k, k));
        if (k > 0) {
            steps.dots(a.data + k, a.ld, a.rows - k, k, x + k, products);
        }
        extend(t, k, products, tau);
    }
}
} // namespace

template <class T> void Reflections<T>::close(const Worker<T>& worker, const T* tau) {
    t = Tensor<T>(ceil_div(v.columns, block_columns) * block_columns * block_columns);
    T products[block_columns];
    for (std::int64_t j0 = 0; j0 < v.columns; j0 += block_columns) {
        T* triangle = t.data() + j0 * block_columns;
        const std::int64_t width = std::min(block_columns, v.columns - j0);
        for (std::int64_t k = 0; k < width; ++k) {
            const std::int64_t top = std::min(v.rows, j0 + k + below);
            worker.steps->dots(v.column(j0) + top, v.ld, v.rows - top, k, v.column(j0 + k) + top, products);
            extend(triangle, k, products, tau[j0 + k]);
        }
    }
}

template <class T>
void Reflections<T>::apply(const Worker<T>& worker, const Columns<T>& c, bool transposed, bool from_identity) const {
    const std::int64_t blocks = ceil_div(v.columns, block_columns);
    Tensor<T> dots(2 * block_columns * c.columns);
    T* const product = dots.data();
    T* const turned = product + block_columns * c.columns;
    for (std::int64_t step = 0; step < blocks; ++step) {
        const std::int64_t j0 = (transposed ? step : blocks - 1 - step) * block_columns;
        const std::int64_t width = std::min(block_columns, v.columns - j0);
        const std::int64_t top = j0 + below;
        if (top >= v.rows) {
            continue;
        }
        const T* vb = v.column(j0) + top;
        const T* triangle = t.data() + j0 * block_columns;
        const Columns<T> part = c.part(top, from_identity ? top : 0, v.rows - top, from_identity ? c.columns - top : c.columns);
        SvdProduct<T> g{};
        g.scale = 1;
        g.m = part.columns;
        g.n = width;
        g.ldc = block_columns;
        // (V^T C)^T, by rows
        g.a = part.data;
        g.a_row = part.ld;
        g.a_column = 1;
        g.b = vb;
        g.b_row = 1;
        g.b_column = v.ld;
        g.c = product;
        g.k = part.rows;
        worker.multiply(g);
        // times the triangle, transposed or not
        g.a = product;
        g.a_row = block_columns;
        g.b = triangle;
        g.b_row = transposed ? 1 : block_columns;
        g.b_column = transposed ? block_columns : 1;
        g.c = turned;
        g.k = width;
        worker.multiply(g);
        // C^T -= that V^T
        g.a = turned;
        g.b = vb;
        g.b_row = v.ld;
        g.b_column = 1;
        g.c = part.data;
        g.ldc = part.ld;
        g.n = part.rows;
        g.scale = -1;
        g.add = true;
        worker.multiply(g);
    }
}

template <class T> Reflections<T> factor(const Worker<T>& worker, const Columns<T>& a, const Columns<T>& r) {
    const std::int64_t n = a.columns;
    Reflections<T> q;
    q.v = a;
    q.t = Tensor<T>(ceil_div(n, block_columns) * block_columns * block_columns);
    for (std::int64_t j0 = 0; j0 < n; j0 += block_columns) {
        const std::int64_t width = std::min(block_columns, n - j0);
        for (std::int64_t j = j0; j < j0 + width; ++j) { // rows of R that earlier panels left above this one
            std::copy_n(a.column(j), j0, r.column(j));
            std::fill_n(a.column(j), j0, T(0));
            std::fill_n(r.column(j) + j0, n - j0, T(0));
        }
        Reflections<T> panel;
        panel.v = a.part(j0, j0, a.rows - j0, width);
        panel.t = Tensor<T>(block_columns * block_columns);
        factor_panel(*worker.steps, panel.v, panel.t.data(), r.part(j0, j0, width, width));
        std::copy_n(panel.t.data(), block_columns * block_columns, q.t.data() + j0 * block_columns);
        if (j0 + width < n) {
            panel.apply(worker, a.part(j0, j0 + width, a.rows - j0, n - j0 - width), true);
        }
    }
    return q;
}

template <class T>
TallQr<T>::TallQr(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n, T scale, bool whole)
    : worker_(worker), n_(n), r_(n, n) {
    Strided<const T> from = a;
    std::int64_t rows = m;
    T factor_of = scale;
    Matrix<T> pile;
    for (;;) {
        const std::int64_t pieces = whole ? 1 : std::max<std::int64_t>(1, rows / piece_rows(n));
        Level level{rows, pieces, std::vector<Matrix<T>>(static_cast<std::size_t>(pieces)),
                    std::vector<Reflections<T>>(static_cast<std::size_t>(pieces))};
        Matrix<T> next = pieces > 1 ? Matrix<T>(pieces * n, n) : Matrix<T>();
        parallel_tasks(pieces, worker.threads, [&](std::int64_t piece, int slot) {
            const std::int64_t begin = level.begin(piece);
            const std::int64_t count = level.begin(piece + 1) - begin;
            Matrix<T>& own = level.storage[static_cast<std::size_t>(piece)];
            own = Matrix<T>(count, n);
            copy_scaled<T, T>({from.data + begin * from.row, from.row, from.column}, {own.view.data, 1, own.view.ld}, count, n,
                              factor_of);
            const Columns<T> r = pieces > 1 ? next.view.part(piece * n, 0, n, n) : r_.view;
            level.q[static_cast<std::size_t>(piece)] = factor(pieces > 1 ? worker.alone(slot) : worker, own.view, r);
        });
        levels_.push_back(std::move(level));
        if (pieces == 1) {
            return;
        }
        pile = std::move(next);
        from = {pile.view.data, 1, pile.view.ld};
        rows = pieces * n;
        factor_of = 1;
    }
}

template <class T> void TallQr<T>::times(const Columns<T>& x, const Strided<T>& to, std::int64_t extra) const {
    times_level(0, x, to, extra);
}

template <class T>
void TallQr<T>::times_level(std::size_t index, const Columns<T>& x, const Strided<T>& to, std::int64_t extra) const {
    const Level& level = levels_[index];
    Matrix<T> pile;
    if (level.pieces > 1) {
        pile = Matrix<T>(level.pieces * n_, x.columns);
        times_level(index + 1, x, {pile.view.data, 1, pile.view.ld}, 0);
    }
    parallel_tasks(level.pieces, worker_.threads, [&](std::int64_t piece, int slot) {
        const std::int64_t begin = level.begin(piece);
        const std::int64_t count = level.begin(piece + 1) - begin;
        const Columns<T> top = level.pieces > 1 ? pile.view.part(piece * n_, 0, n_, x.columns) : x;
        Matrix<T> c(count, x.columns + extra);
        for (std::int64_t j = 0; j < x.columns; ++j) {
            std::copy_n(top.column(j), n_, c.view.column(j));
        }
        for (std::int64_t j = 0; j < extra; ++j) {
            c.view.at(n_ + j, x.columns + j) = 1;
        }
        level.q[static_cast<std::size_t>(piece)].apply(level.pieces > 1 ? worker_.alone(slot) : worker_, c.view, false);
        copy_scaled<T, T>({c.view.data, 1, c.view.ld}, {to.data + begin * to.row, to.row, to.column}, count, x.columns + extra,
                          T(1));
    });
}

template float reflect(const SvdSteps<float>&, float*, std::int64_t, float&);
template double reflect(const SvdSteps<double>&, double*, std::int64_t, double&);
template struct Reflections<float>;
template struct Reflections<double>;
template Reflections<float> factor(const Worker<float>&, const Columns<float>&, const Columns<float>&);
template Reflections<double> factor(const Worker<double>&, const Columns<double>&, const Columns<double>&);
template class TallQr<float>;
template class TallQr<double>;

} // namespace fk::svd
