// Householder reflections: one, in blocks (I - V T V^T), and as a tree of pieces for many rows.
#pragma once

#include <vector>

#include "ops/svd/work.hpp"

namespace fk::svd {

inline constexpr std::int64_t block_columns = 32;

// x [n] becomes v with v[0] = 1 so that (I - tau v v^T) x = beta e_0; gives tau, 0 where x already is a multiple of e_0.
template <class T> T reflect(const SvdSteps<T>& steps, T* x, std::int64_t n, T& beta);

// Products of reflections: column j of v holds the j-th with zeros above its row j + below and 1 there; t [columns / 32][32][32]
// the triangles of its blocks.
template <class T> struct Reflections {
    Columns<T> v{};
    std::int64_t below = 0;
    Tensor<T> t;

    // The triangles from the scales tau of the reflections.
    void close(const Worker<T>& worker, const T* tau);
    // c = H_0 H_1 ... c, or of the transposed product. from_identity: c is the identity, so only a part of it changes.
    void apply(const Worker<T>& worker, const Columns<T>& c, bool transposed, bool from_identity = false) const;
};

// a [m, n], m >= n, becomes the reflections of its QR factorisation; R goes to r [n, n], zeros below the diagonal included.
template <class T> Reflections<T> factor(const Worker<T>& worker, const Columns<T>& a, const Columns<T>& r);

// A = Q R of many rows: pieces are factored on their own, and then their triangles, piled up, in the same way. Q stays implicit.
template <class T> class TallQr {
  public:
    // a [m, n], m >= n, read once and multiplied with scale. whole: in one piece, as `extra` columns need.
    TallQr(const Worker<T>& worker, const Strided<const T>& a, std::int64_t m, std::int64_t n, T scale, bool whole);

    const Columns<T>& r() const { return r_.view; }
    // to [m, x.columns + extra] = Q [x 0; 0 I; 0 0]: the last `extra` columns are those of Q past the n-th.
    void times(const Columns<T>& x, const Strided<T>& to, std::int64_t extra = 0) const;

  private:
    void times_level(std::size_t level, const Columns<T>& x, const Strided<T>& to, std::int64_t extra) const;

    struct Level {
        std::int64_t rows, pieces;
        std::vector<Matrix<T>> storage;
        std::vector<Reflections<T>> q;
        std::int64_t begin(std::int64_t piece) const { return rows * piece / pieces; }
    };
    Worker<T> worker_;
    std::int64_t n_;
    std::vector<Level> levels_;
    Matrix<T> r_;
};

} // namespace fk::svd
