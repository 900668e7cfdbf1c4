// Divide and conquer on an upper bidiagonal matrix (M. Gu, S. Eisenstat, "A divide-and-conquer algorithm for the bidiagonal
// SVD", SIAM J. Matrix Anal. Appl. 16, 1995): without row c it falls into two, and given U_1 D_1 V_1^T and U_2 D_2 V_2^T it is
// diag(U_1, 1, U_2) M diag(V_1, V_2)^T with M diagonal but for the row c. The vectors of M (secular.inl.hpp) are applied by
// matrix products: 4/3 n^3 multiplications a side at the most, where implicit QR's rotations are some 4 n^3 in a slower form.
//
// A block of rows lo .. lo + n - 1 has columns lo .. lo + n - 1, and one more if other rows follow (`wide`): a zero value then.

#include <cmath>
#include <limits>

#include "ops/svd/core.hpp"

namespace fk::svd {

namespace {
constexpr std::int64_t leaf_rows = 12; // up to here implicit QR is quicker

struct Block {
    std::int64_t lo, n;
    bool wide;
    std::int64_t columns() const { return n + (wide ? 1 : 0); }
    std::int64_t upper() const { return n / 2; }           // rows of the upper half
    std::int64_t middle() const { return lo + upper(); }   // the row between
    std::int64_t lower() const { return n - upper() - 1; } // rows of the lower half
    std::int64_t end() const { return lo + n; }
};

// A value with the weight of its column in the row between, and where the column has entries.
struct Pole {
    double d, z;
    std::int64_t column;
    int part; // 0: upper half, 1: both, 2: lower half
};

template <class T> class Divide {
  public:
    Divide(const Worker<T>& worker, std::vector<double>& d, std::vector<double>& e, const Columns<T>& u, const Columns<T>& v)
        : worker_(worker), d_(d), e_(e), u_(u), v_(v), n_(u.columns), room_(round_up(n_, svd_root_lanes)), old_u_(n_, n_),
          old_v_(n_, n_), left_(room_, n_), right_(room_, n_), numbers_(9 * (room_ + svd_root_lanes)),
          work_(svd_root_lanes * n_ * worker.threads) {}

    bool solve(const Block& b) {
        if (b.n <= leaf_rows) {
            return leaf(b);
        }
        if (!solve({b.lo, b.upper(), true}) || !solve({b.middle() + 1, b.lower(), b.wide})) {
            return false;
        }
        merge(b);
        return true;
    }

  private:
    double& d(std::int64_t i) { return d_[static_cast<std::size_t>(i)]; }
    double& e(std::int64_t i) { return e_[static_cast<std::size_t>(i)]; }
    double* numbers(int i) { return numbers_.data() + i * (room_ + svd_root_lanes); }

    bool leaf(const Block& b);
    void merge(const Block& b);
    void join_null_columns(const Block& b, double alpha, double beta, Pole& first, double tolerance);
    void deflate(const Block& b, double tolerance);
    void rotate(const Block& b, std::int64_t i, std::int64_t j, double c, double s);
    void gather(const Block& b);
    void secular_equation();
    void multiply(const Block& b);

    Worker<T> worker_;
    std::vector<double>& d_;
    std::vector<double>& e_;
    Columns<T> u_, v_;
    std::int64_t n_, room_;
    Matrix<T> old_u_, old_v_, left_, right_; // columns before the product; vectors of M, by rows
    Tensor<double> numbers_, work_;
    std::vector<Pole> poles_, kept_, gone_;
    int exponent_ = 0;           // of the block's largest number
    std::int64_t zero_ = 0;      // of kept_ by parts: the pole 0
    std::int64_t parts_[4] = {}; // where they begin
};

template <class T>
void turn(const Columns<T>& x, std::int64_t row, std::int64_t rows, std::int64_t i, std::int64_t j, double c, double s) {
    T* p = x.column(i) + row;
    T* q = x.column(j) + row;
    const T cosine = static_cast<T>(c), sine = static_cast<T>(s);
    for (std::int64_t k = 0; k < rows; ++k) {
        const T before = p[k];
        p[k] = cosine * before + sine * q[k];
        q[k] = cosine * q[k] - sine * before;
    }
}

// Columns i and j of both sides.
template <class T> void Divide<T>::rotate(const Block& b, std::int64_t i, std::int64_t j, double c, double s) {
    turn(u_, b.lo, b.n, i, j, c, s);
    turn(v_, b.lo, b.columns(), i, j, c, s);
}

template <class T> bool Divide<T>::leaf(const Block& b) {
    Matrix<double> u(b.n, b.n), v(b.columns(), b.columns());
    for (std::int64_t i = 0; i < b.columns(); ++i) {
        v.view.at(i, i) = 1;
    }
    for (std::int64_t i = 0; i < b.n; ++i) {
        u.view.at(i, i) = 1;
    }
    const auto begin = static_cast<std::ptrdiff_t>(b.lo);
    std::vector<double> diagonal(d_.begin() + begin, d_.begin() + begin + static_cast<std::ptrdiff_t>(b.n));
    std::vector<double> beside(e_.begin() + begin, e_.begin() + begin + static_cast<std::ptrdiff_t>(b.n - 1));
    if (b.wide) { // the last column is turned into the others, from the right to the left
        double out = e(b.end() - 1);
        for (std::int64_t i = b.n - 1; i >= 0 && out != 0; --i) {
            double& own = diagonal[static_cast<std::size_t>(i)];
            const double r = std::hypot(own, out), c = own / r, s = out / r;
            own = r;
            turn(v.view, 0, b.columns(), i, b.n, c, s);
            if (i > 0) {
                double& above = beside[static_cast<std::size_t>(i - 1)];
                out = -s * above;
                above *= c;
            }
        }
    }
    const Worker<double> worker{worker_.kernels, &worker_.kernels->f64, nullptr, 1};
    Rotations<double> rotations(worker, u.view, {v.view.data, v.view.ld, v.view.rows, b.n});
    if (!diagonalise(diagonal, beside, std::numeric_limits<T>::epsilon() / 2, &rotations)) {
        return false;
    }
    for (std::int64_t j = 0; j < b.columns(); ++j) {
        const bool negative = j < b.n && diagonal[static_cast<std::size_t>(j)] < 0;
        if (j < b.n) {
            d(b.lo + j) = std::abs(diagonal[static_cast<std::size_t>(j)]);
            for (std::int64_t i = 0; i < b.n; ++i) {
                u_.at(b.lo + i, b.lo + j) = static_cast<T>(u.view.at(i, j));
            }
        }
        for (std::int64_t i = 0; i < b.columns(); ++i) {
            v_.at(b.lo + i, b.lo + j) = static_cast<T>(negative ? -v.view.at(i, j) : v.view.at(i, j));
        }
    }
    return true;
}

// The columns that belong to zeros of the halves: one stays with the row between, the other with the whole block.
template <class T> void Divide<T>::join_null_columns(const Block& b, double alpha, double beta, Pole& first, double tolerance) {
    const std::int64_t m = b.middle();
    const double upper = alpha * static_cast<double>(v_.at(m, m));
    first = {0, upper, m, 0};
    if (b.wide) {
        const double lower = beta * static_cast<double>(v_.at(m + 1, b.end()));
        first.z = std::hypot(upper, lower);
        first.part = 1;
        if (first.z > 0) {
            turn(v_, b.lo, b.columns(), m, b.end(), upper / first.z, lower / first.z);
        }
    }
    if (std::abs(first.z) <= tolerance) {
        first.z = first.z < 0 ? -tolerance : tolerance;
    }
}

template <class T> void Divide<T>::merge(const Block& b) {
    const std::int64_t m = b.middle();
    double most = std::max(std::abs(d(m)), std::abs(e(m)));
    for (std::int64_t j = b.lo; j < b.end(); ++j) {
        most = std::max(most, std::abs(d(j)));
    }
    if (!(most > 0)) { // all zero: what stands there will do
        u_.at(m, m) = 1;
        return;
    }
    // Near 1, so that no square vanishes.
    exponent_ = std::ilogb(most);
    const double alpha = std::ldexp(d(m), -exponent_), beta = std::ldexp(e(m), -exponent_);
    poles_.clear();
    for (std::int64_t j = b.lo; j < b.end(); ++j) {
        if (j != m) {
            const bool upper = j < m;
            const double z = upper ? alpha * static_cast<double>(v_.at(m, j)) : beta * static_cast<double>(v_.at(m + 1, j));
            poles_.push_back({std::ldexp(d(j), -exponent_), z, j, upper ? 0 : 2});
        }
    }
    const double tolerance = 8 * (std::numeric_limits<T>::epsilon() / 2) * std::ldexp(most, -exponent_);
    kept_.resize(1);
    join_null_columns(b, alpha, beta, kept_[0], tolerance);
    std::stable_sort(poles_.begin(), poles_.end(), [](const Pole& x, const Pole& y) { return x.d < y.d; });
    deflate(b, tolerance);
    secular_equation();
    gather(b);
    multiply(b);
}

// What is left of the secular equation: poles apart by more than the tolerance, with weights that count.
template <class T> void Divide<T>::deflate(const Block& b, double tolerance) {
    gone_.clear();
    for (Pole& pole : poles_) {
        if (std::abs(pole.z) <= tolerance) {
            gone_.push_back(pole);
            continue;
        }
        Pole& before = kept_.back();
        if (kept_.size() == 1 || pole.d - before.d > tolerance) {
            kept_.push_back(pole);
            continue;
        }
        const double size = std::hypot(pole.z, before.z);
        rotate(b, before.column, pole.column, pole.z / size, -before.z / size);
        gone_.push_back(before);
        pole.z = size;
        pole.part = pole.part == before.part ? pole.part : 1;
        before = pole;
    }
    if (kept_.size() > 1) {
        kept_[1].d = std::max(kept_[1].d, tolerance / 2);
    }
}

// Roots and weights into numbers(0 .. 6), in rising order.
template <class T> void Divide<T>::secular_equation() {
    const auto k = static_cast<std::int64_t>(kept_.size());
    for (std::int64_t j = 0; j < k; ++j) {
        const Pole& pole = kept_[static_cast<std::size_t>(j)];
        numbers(0)[j] = pole.d;
        numbers(1)[j] = pole.z;
        numbers(2)[j] = pole.z * pole.z;
    }
    const double eps = std::numeric_limits<T>::epsilon() / 2;
    SvdSecular s{.d = numbers(0),
                 .z = numbers(1),
                 .squares = numbers(2),
                 .k = static_cast<std::int32_t>(k),
                 .begin = 0,
                 .end = 0,
                 .tolerance = std::is_same_v<T, float> ? eps / 4 : 4 * eps,
                 .origins = numbers(3),
                 .x = numbers(4),
                 .values = numbers(5),
                 .weights = numbers(6)};
    const std::int64_t pieces = ceil_div(k, 64);
    const auto shared = [&](auto&& step) {
        parallel_for(static_cast<int>(pieces), threads_for(40 * k * k, flops_worth_a_thread, worker_.threads),
                     [&](int piece, int) {
                         SvdSecular own = s;
                         own.begin = 64 * piece;
                         own.end = static_cast<std::int32_t>(std::min<std::int64_t>(k, 64 * (piece + 1)));
                         step(own);
                     });
    };
    shared(worker_.kernels->secular);
    shared(worker_.kernels->secular_weights);
}

// Columns of the kept poles, by parts, and then of the others, into old_u_ and old_v_; the vectors of M beside them.
template <class T> void Divide<T>::gather(const Block& b) {
    const auto k = static_cast<std::int64_t>(kept_.size());
    double* poles = numbers(7);
    double* weights = numbers(8);
    std::int64_t to = 0;
    const auto copy = [&](const Pole& pole) {
        const std::int64_t at = to++;
        std::copy_n(u_.column(pole.column) + b.lo, b.n, old_u_.view.column(at));
        std::copy_n(v_.column(pole.column) + b.lo, b.columns(), old_v_.view.column(at));
        return at;
    };
    for (int part = 0; part < 3; ++part) {
        parts_[part] = to;
        for (std::int64_t j = 0; j < k; ++j) {
            const Pole& pole = kept_[static_cast<std::size_t>(j)];
            if (pole.part == part) {
                const std::int64_t at = copy(pole);
                poles[at] = pole.d;
                weights[at] = numbers(6)[j];
                zero_ = j == 0 ? at : zero_;
            }
        }
    }
    parts_[3] = to;
    for (const Pole& pole : gone_) {
        copy(pole);
    }
    const std::int64_t pieces = ceil_div(k, 64);
    parallel_for(static_cast<int>(pieces), threads_for(40 * k * k, flops_worth_a_thread, worker_.threads),
                 [&](int piece, int slot) {
                     worker_.steps->secular_vectors({.d = poles,
                                                     .weights = weights,
                                                     .k = static_cast<std::int32_t>(k),
                                                     .zero = static_cast<std::int32_t>(zero_),
                                                     .origins = numbers(3),
                                                     .x = numbers(4),
                                                     .begin = 64 * piece,
                                                     .end = std::min<std::int64_t>(k, 64 * (piece + 1)),
                                                     .right = right_.view.data,
                                                     .left = left_.view.data,
                                                     .ld = left_.view.ld,
                                                     .work = work_.data() + slot * svd_root_lanes * n_});
                 });
}

// The columns of the block: roots first, in rising order, then what has been left out of the equation.
template <class T> void Divide<T>::multiply(const Block& b) {
    const auto k = static_cast<std::int64_t>(kept_.size());
    const std::int64_t m = b.middle();
    const auto product = [&](const Matrix<T>& old, const Matrix<T>& vectors, const Columns<T>& to, std::int64_t row,
                             std::int64_t rows, int first, int last) {
        const std::int64_t p = parts_[first], depth = parts_[last] - p;
        SvdProduct<T> g{};
        g.a = vectors.view.data + p * vectors.view.ld;
        g.a_row = 1;
        g.a_column = vectors.view.ld;
        g.b = old.view.data + p * old.view.ld + row;
        g.b_row = old.view.ld;
        g.b_column = 1;
        g.c = to.column(b.lo) + b.lo + row;
        g.ldc = to.ld;
        g.m = k;
        g.n = rows;
        g.k = depth;
        g.scale = 1;
        if (depth > 0) {
            worker_.multiply(g);
            return;
        }
        for (std::int64_t j = 0; j < k; ++j) {
            std::fill_n(g.c + j * g.ldc, rows, T(0));
        }
    };
    product(old_u_, left_, u_, 0, b.upper(), 0, 2);
    product(old_u_, left_, u_, b.upper() + 1, b.lower(), 1, 3);
    product(old_v_, right_, v_, 0, b.upper() + 1, 0, 2);
    product(old_v_, right_, v_, b.upper() + 1, b.columns() - b.upper() - 1, 1, 3);
    for (std::int64_t j = 0; j < k; ++j) {
        u_.at(m, b.lo + j) = left_.view.data[zero_ * left_.view.ld + j];
        d(b.lo + j) = std::ldexp(numbers(5)[j], exponent_);
    }
    for (std::int64_t j = k; j < b.n; ++j) {
        std::copy_n(old_u_.view.column(j), b.n, u_.column(b.lo + j) + b.lo);
        std::copy_n(old_v_.view.column(j), b.columns(), v_.column(b.lo + j) + b.lo);
        d(b.lo + j) = std::ldexp(gone_[static_cast<std::size_t>(j - k)].d, exponent_);
    }
}

} // namespace

template <class T>
bool divide(const Worker<T>& worker, std::vector<double>& d, std::vector<double>& e, const Columns<T>& u, const Columns<T>& v) {
    return Divide<T>(worker, d, e, u, v).solve({0, u.columns, false});
}

template bool divide(const Worker<float>&, std::vector<double>&, std::vector<double>&, const Columns<float>&,
                     const Columns<float>&);
template bool divide(const Worker<double>&, std::vector<double>&, std::vector<double>&, const Columns<double>&,
                     const Columns<double>&);

} // namespace fk::svd
