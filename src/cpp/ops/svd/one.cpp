#include "ops/svd/one.hpp"

#include <cmath>
#include <limits>

#include "ops/svd/gram.hpp"
#include "ops/svd/qr.hpp"
#include "ops/svd/randomized.hpp"

namespace fk::svd {

namespace {

// The tall way round: m >= n, u [m, ...], v [n, ...] by columns.
template <class T> struct Tall {
    Strided<const T> a;
    std::int64_t m, n, k;
    Strided<T> u, v;
    T scale;      // a power of two: largest magnitude 1/2 to 1
    int exponent; // scale = 2^-exponent
    bool vectors;
};

template <class T> Tall<T> tall_of(const Shape& s, const View<const T>& a, std::int64_t index, T largest, const Results<T>& to) {
    const bool wide = s.m < s.n;
    const T* data = a.data + index * a.strides[0];
    Tall<T> t{};
    t.m = std::max(s.m, s.n);
    t.n = std::min(s.m, s.n);
    t.k = s.k;
    t.vectors = s.vectors != 0;
    t.a = wide ? Strided<const T>{data, a.strides[2], a.strides[1]} : Strided<const T>{data, a.strides[1], a.strides[2]};
    if (s.vectors != 0) {
        const Strided<T> u{to.u + index * s.m * u_columns(s), u_columns(s), 1};
        const Strided<T> v{to.vt + index * s.n * vt_rows(s), 1, s.n};
        t.u = wide ? v : u;
        t.v = wide ? u : v;
    }
    std::frexp(largest, &t.exponent);
    t.exponent = std::max(t.exponent, 3 - std::numeric_limits<T>::max_exponent);
    t.scale = std::ldexp(T(1), -t.exponent);
    return t;
}

template <class T> void write_columns(const Columns<T>& from, const Strided<T>& to, std::int64_t columns) {
    copy_scaled<T, T>({from.data, 1, from.ld}, to, from.rows, columns, T(1));
}

template <class T> void write_values(const Square<T>& square, int exponent, std::int64_t k, T* to) {
    for (std::int64_t j = 0; j < k; ++j) {
        to[j] = static_cast<T>(std::ldexp(square.s[static_cast<std::size_t>(j)], exponent));
    }
}

// Q R first where there are more rows than columns, then the square.
template <class T> std::string by_reduction(const Worker<T>& worker, const Tall<T>& t, bool full, bool by_jacobi, T* s) {
    if (t.m == t.n) {
        Matrix<T> a(t.n, t.n);
        copy_scaled<T, T>(t.a, {a.view.data, 1, a.view.ld}, t.n, t.n, t.scale);
        const Square<T> square = decompose_square(worker, a.view, t.vectors, by_jacobi, t.n <= exact_most);
        write_values(square, t.exponent, t.k, s);
        if (t.vectors) {
            write_columns(square.u.view, t.u, t.k);
            write_columns(square.v.view, t.v, t.k);
        }
        return square.method;
    }
    const TallQr<T> qr(worker, t.a, t.m, t.n, t.scale, full);
    const Square<T> square = decompose_square(worker, qr.r(), t.vectors, by_jacobi, t.n <= exact_most);
    write_values(square, t.exponent, t.k, s);
    if (t.vectors) {
        Columns<T> u = square.u.view;
        u.columns = full ? t.n : t.k;
        qr.times(u, t.u, full ? t.m - t.n : 0);
        write_columns(square.v.view, t.v, full ? t.n : t.k);
    }
    return message("qr+", square.method);
}

// Squares of a in float64 must stay far from its limits, and what 1 / s becomes in float32 from its own.
bool gram_bears(float largest) { return largest > 1e-15F && largest < 1e15F; }

// False where the way is not open to this matrix.
template <class T> bool by_gram(const Worker<T>& worker, const Tall<T>& t, T largest, Square<T>& square) {
    if constexpr (std::is_same_v<T, float>) {
        return gram_bears(largest) && gram(worker, t.a, t.m, t.n, t.k, t.vectors, t.u, square);
    }
    return false;
}

// B = A Q for a basis Q [n, l] of the leading subspace, then B = U diag(s) W^T and V = Q W.
template <class T> std::string by_sketch(const Worker<T>& worker, const Shape& shape, const Tall<T>& t, T* s) {
    const std::int64_t l = std::min<std::int64_t>(t.n, t.k + shape.oversample);
    const Matrix<T> q = random_range(worker, t.a, t.m, t.n, t.scale, l, shape.iterations, seed_of(shape));
    Tensor<T> b(t.m * l);
    Tensor<T> basis(t.n * l);
    copy_scaled<T, T>({q.view.data, 1, q.view.ld}, {basis.data(), l, 1}, t.n, l, t.scale);
    times_small<T>(worker, t.a, t.m, t.n, basis.data(), l, {b.data(), l, 1});
    Tensor<T> w(l * t.k); // by columns
    Tall<T> small = t;
    small.a = {b.data(), l, 1};
    small.n = l;
    small.scale = 1;
    small.v = {w.data(), 1, l};
    Square<T> square;
    std::string way = "randomized+gram+";
    if (by_gram(worker, small, T(1), square)) {
        way += square.method;
        write_values(square, t.exponent, t.k, s);
        if (t.vectors) {
            write_columns(square.v.view, small.v, t.k);
        }
    } else {
        way = "randomized+" + by_reduction(worker, small, false, l < jacobi_most, s);
    }
    if (t.vectors) {
        for (std::int64_t j = 0; j < t.k; ++j) {
            std::vector<T> x(static_cast<std::size_t>(t.n));
            worker.steps->combine(q.view.data, q.view.ld, t.n, l, w.data() + j * l, T(1), x.data());
            for (std::int64_t i = 0; i < t.n; ++i) {
                t.v.at(i, j) = x[static_cast<std::size_t>(i)];
            }
        }
    }
    return way;
}

// The contract's rule of signs, where the vectors were made in another basis.
template <class T> void sign(const Tall<T>& t) {
    for (std::int64_t j = 0; j < t.k; ++j) {
        T largest = 0;
        for (std::int64_t i = 0; i < t.n; ++i) {
            largest = std::abs(t.v.at(i, j)) > std::abs(largest) ? t.v.at(i, j) : largest;
        }
        for (std::int64_t i = 0; largest < 0 && i < t.n; ++i) {
            t.v.at(i, j) = -t.v.at(i, j);
        }
        for (std::int64_t i = 0; largest < 0 && i < t.m; ++i) {
            t.u.at(i, j) = -t.u.at(i, j);
        }
    }
}
} // namespace

template <class T> std::string decompose_one(const Worker<T>& worker, const Shape& shape, const View<const T>& a,
                                             std::int64_t index, T largest, const Results<T>& to) {
    const Tall<T> t = tall_of(shape, a, index, largest, to);
    T* s = to.s + index * shape.k;
    if (method_of(shape) == Method::randomized) {
        std::string way = by_sketch(worker, shape, t, s);
        if (t.vectors) {
            sign(t);
        }
        return way;
    }
    const Method method = method_of(shape);
    const bool full = shape.full != 0;
    const bool tall = t.m >= 2 * t.n && t.m >= 64;
    if (method == Method::gram || (method == Method::automatic && tall && !full)) {
        Square<T> square;
        if (by_gram(worker, t, largest, square)) {
            write_values(square, 0, t.k, s);
            if (t.vectors) {
                write_columns(square.v.view, t.v, t.k);
            }
            return message("gram+", square.method);
        }
        require(method != Method::gram,
                "method 'gram' cannot tell the smallest singular value of a from zero; pass method=\"qr\"");
    }
    const bool by_jacobi = method == Method::jacobi || (method != Method::bidiagonal && t.n < jacobi_most);
    return by_reduction(worker, t, full, by_jacobi, s);
}

template std::string decompose_one(const Worker<float>&, const Shape&, const View<const float>&, std::int64_t, float,
                                   const Results<float>&);
template std::string decompose_one(const Worker<double>&, const Shape&, const View<const double>&, std::int64_t, double,
                                   const Results<double>&);

} // namespace fk::svd
