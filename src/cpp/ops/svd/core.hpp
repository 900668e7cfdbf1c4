// The decomposition of a square matrix: what every way ends in.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "ops/svd/qr.hpp"

namespace fk::svd {

// The vectors stand by columns, sorted and signed as the contract says; s in float64. u and v are empty where only values are
// wanted.
template <class T> struct Square {
    Matrix<T> u, v;
    std::vector<double> s;
    const char* method = "";
};

// a [n, n], any content; with largest magnitude near 1. exact: vectors of float32 come from a reduction in float64. Throws
// ValueError where it does not converge.
template <class T> Square<T> bidiagonal(const Worker<T>& worker, const Columns<T>& a, bool vectors, bool exact);
// As bidiagonal; gives false where the columns of u would not be orthogonal: a singular value next to nothing.
template <class T> bool jacobi(const Worker<T>& worker, const Columns<T>& a, bool vectors, Square<T>& result);

// What one-sided Jacobi is asked for, of one matrix or of many.
inline constexpr int most_sweeps = 30; // five to ten is what happens

// Squared norms apart by more than this: the small column's rounding errors are no longer small beside it.
template <class T> inline constexpr T smallest_share = std::is_same_v<T, float> ? T(1e-16) : T(1e-100);

// Numbers of magnitude 1 are so large then that products of four, of the smallest share, still can be told from zero.
template <class T> inline constexpr int raised = std::is_same_v<T, float> ? 12 : 100;

template <class T> T orthogonal_enough(std::int64_t rows) {
    return std::sqrt(static_cast<T>(rows)) * std::numeric_limits<T>::epsilon();
}

// Sorts by falling value and makes the largest entry of each column of v positive.
template <class T> void order(Square<T>& square);

// Rotations to be applied to the columns of two matrices, gathered and then applied strip by strip on all threads.
template <class T> class Rotations {
  public:
    Rotations(const Worker<T>& worker, const Columns<T>& u, const Columns<T>& v) : worker_(worker), u_(u), v_(v) {}

    // A chain over `count` neighbouring columns from `first` on, in steps of +1 or -1: where its angles go.
    struct Angles {
        T* cosines;
        T* sines;
    };
    struct Pair {
        Angles u, v;
    };
    Pair begin(std::int64_t first, std::int64_t count, int step);
    void flush();

  private:
    Worker<T> worker_;
    Columns<T> u_, v_;
    std::vector<SvdSweep> sweeps_;
    std::vector<T> angles_[4];
};

// Diagonal d and superdiagonal e of an upper bidiagonal matrix become its singular values, unsorted and some negative, and zeros.
// rotations may be null. eps: the unit roundoff that the values are wanted with. False where it does not converge.
template <class T> bool diagonalise(std::vector<double>& d, std::vector<double>& e, double eps, Rotations<T>* rotations);

// The same with vectors: u and v [n, n], zeros before, become the left and the right ones; d the values, not sorted.
template <class T>
bool divide(const Worker<T>& worker, std::vector<double>& d, std::vector<double>& e, const Columns<T>& u, const Columns<T>& v);

} // namespace fk::svd
