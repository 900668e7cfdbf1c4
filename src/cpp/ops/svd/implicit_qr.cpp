// Implicit QR on a bidiagonal matrix after J. Demmel, W. Kahan, "Accurate singular values of bidiagonal matrices", SIAM J. Sci.
// Stat. Comput. 11 (1990): a zero shift where a shift would spoil small values, the bulge chased from the large end to the small
// one, relative criteria for what counts as zero.
//
// Everything here is float64, for float32 matrices too: it is n^2 numbers of work beside n^3 of applying the rotations.

#include <cmath>

#include "ops/svd/core.hpp"

namespace fk::svd {

template <class T> typename Rotations<T>::Pair Rotations<T>::begin(std::int64_t first, std::int64_t count, int step) {
    // So many that one pass over a strip pays, so few that the angles stay in the second-level cache.
    constexpr std::size_t most = 16384;
    if (!sweeps_.empty() && angles_[0].size() + static_cast<std::size_t>(count) > most) {
        flush();
    }
    const std::size_t at = angles_[0].size();
    sweeps_.push_back({static_cast<std::int64_t>(at), static_cast<std::int32_t>(first), static_cast<std::int32_t>(count), step});
    for (auto& angles : angles_) {
        angles.resize(at + static_cast<std::size_t>(count));
    }
    return {{angles_[0].data() + at, angles_[1].data() + at}, {angles_[2].data() + at, angles_[3].data() + at}};
}

template <class T> void Rotations<T>::flush() {
    const int strips = static_cast<int>(u_.ld / svd_pad);
    const std::int64_t work = 12 * static_cast<std::int64_t>(angles_[0].size()) * u_.ld;
    parallel_for(2 * strips, threads_for(work, flops_worth_a_thread, worker_.threads), [&](int index, int) {
        const bool left = index < strips;
        const std::int64_t strip = left ? index : index - strips;
        const std::size_t first = left ? 0 : 2;
        worker_.steps->rotate({.vectors = left ? u_.data : v_.data,
                               .ld = left ? u_.ld : v_.ld,
                               .begin = strip * svd_pad,
                               .end = (strip + 1) * svd_pad,
                               .sweeps = sweeps_.data(),
                               .sweep_count = static_cast<std::int64_t>(sweeps_.size()),
                               .cosines = angles_[first].data(),
                               .sines = angles_[first + 1].data()});
    });
    sweeps_.clear();
    for (auto& angles : angles_) {
        angles.clear();
    }
}

namespace {

struct Givens {
    double c, s, r;
};

// c f + s g = r, c g - s f = 0
Givens givens(double f, double g) {
    if (g == 0) {
        return {1, 0, f};
    }
    if (f == 0) {
        return {0, 1, g};
    }
    const double square = f * f + g * g;
    if (square > 1e-280 && square < 1e280) {
        const double r = std::sqrt(square);
        const double inverse = 1 / r;
        return {f * inverse, g * inverse, r};
    }
    const double r = std::hypot(f, g);
    return {f / r, g / r, r};
}

// The smaller singular value of [f g; 0 h].
double smaller_of_two(double f, double g, double h) {
    const double fa = std::abs(f), ga = std::abs(g), ha = std::abs(h);
    const double least = std::min(fa, ha), most = std::max(fa, ha);
    if (least == 0) {
        return 0;
    }
    if (ga < most) {
        const double as = 1 + least / most, at = (most - least) / most, au = (ga / most) * (ga / most);
        return least * (2 / (std::sqrt(as * as + au) + std::sqrt(at * at + au)));
    }
    const double au = most / ga;
    if (au == 0) {
        return least * most / ga;
    }
    const double as = 1 + least / most, at = (most - least) / most;
    const double c = 1 / (std::sqrt(1 + (as * au) * (as * au)) + std::sqrt(1 + (at * au) * (at * au)));
    return 2 * (least * c) * au;
}

// A block of the matrix, walked from its larger end to its smaller: index k of the walk is row `first + k step`. Walking up an
// upper bidiagonal matrix is walking down the transposed one, so U and V change places.
struct Walk {
    double* d;
    double* e;
    std::int64_t first, count; // rows
    int step;

    double& diagonal(std::int64_t k) const { return d[first + k * step]; }
    double& beside(std::int64_t k) const { return e[step > 0 ? first + k : first - k - 1]; } // between k and k + 1
};

template <class T> struct Sides {
    T *c1, *s1; // of the rotation that comes first at each place
    T *c2, *s2;
    T spare[4] = {};
    bool kept;

    void set(std::int64_t k, const Givens& one, const Givens& two) {
        if (kept) {
            c1[k] = static_cast<T>(one.c);
            s1[k] = static_cast<T>(one.s);
            c2[k] = static_cast<T>(two.c);
            s2[k] = static_cast<T>(two.s);
        }
    }
};

template <class T> void chase_without_shift(const Walk& w, Sides<T> sides) {
    double c = 1;
    Givens old{1, 0, 0};
    const std::int64_t last = w.count - 1;
    for (std::int64_t k = 0; k < last; ++k) {
        const Givens one = givens(w.diagonal(k) * c, w.beside(k));
        if (k > 0) {
            w.beside(k - 1) = old.s * one.r;
        }
        c = one.c;
        const Givens two = givens(old.c * one.r, w.diagonal(k + 1) * one.s);
        w.diagonal(k) = two.r;
        old = two;
        sides.set(k, one, two);
    }
    const double h = w.diagonal(last) * c;
    w.diagonal(last) = h * old.c;
    w.beside(last - 1) = h * old.s;
}

template <class T> void chase(const Walk& w, double shift, Sides<T> sides) {
    const double top = w.diagonal(0);
    double f = (std::abs(top) - shift) * (std::copysign(1.0, top) + shift / top);
    double g = w.beside(0);
    const std::int64_t last = w.count - 1;
    for (std::int64_t k = 0; k < last; ++k) {
        const Givens one = givens(f, g);
        if (k > 0) {
            w.beside(k - 1) = one.r;
        }
        const double here = w.diagonal(k), side = w.beside(k), next = w.diagonal(k + 1);
        f = one.c * here + one.s * side;
        const double turned_side = one.c * side - one.s * here;
        g = one.s * next;
        const double turned_next = one.c * next;
        const Givens two = givens(f, g);
        w.diagonal(k) = two.r;
        f = two.c * turned_side + two.s * turned_next;
        w.diagonal(k + 1) = two.c * turned_next - two.s * turned_side;
        if (k + 1 < last) {
            g = two.s * w.beside(k + 1);
            w.beside(k + 1) *= two.c;
        }
        sides.set(k, one, two);
    }
    w.beside(last - 1) = f;
}

// Sets what is next to nothing to zero; true where the block has fallen apart. smallest: a lower bound of its singular values.
bool split(const Walk& w, double tolerance, double& smallest) {
    const std::int64_t last = w.count - 1;
    if (std::abs(w.beside(last - 1)) <= tolerance * std::abs(w.diagonal(last))) {
        w.beside(last - 1) = 0;
        return true;
    }
    double mu = std::abs(w.diagonal(0));
    smallest = mu;
    for (std::int64_t k = 0; k < last; ++k) {
        const double side = std::abs(w.beside(k));
        if (side <= tolerance * mu) {
            w.beside(k) = 0;
            return true;
        }
        mu = std::abs(w.diagonal(k + 1)) * (mu / (mu + side));
        smallest = std::min(smallest, mu);
    }
    return false;
}

double shift_of(const Walk& w, double largest, double smallest, double tolerance, double eps) {
    if (static_cast<double>(w.count) * tolerance * (smallest / largest) <= std::max(eps, 0.01 * tolerance)) {
        return 0;
    }
    const std::int64_t last = w.count - 1;
    const double end = std::abs(w.diagonal(0));
    const double shift = smaller_of_two(w.diagonal(last - 1), w.beside(last - 1), w.diagonal(last));
    return end > 0 && (shift / end) * (shift / end) >= eps ? shift : 0;
}

} // namespace

template <class T> bool diagonalise(std::vector<double>& d, std::vector<double>& e, double eps, Rotations<T>* rotations) {
    const auto n = static_cast<std::int64_t>(d.size());
    const double tolerance = 8 * eps;
    double largest = 0;
    for (const double x : d) {
        largest = std::max(largest, std::abs(x));
    }
    for (const double x : e) {
        largest = std::max(largest, std::abs(x));
    }
    // What stands that far below everything is zero: relative criteria would work on it for ever.
    const double nothing = largest * std::numeric_limits<double>::epsilon() * 1e-100;
    const std::int64_t most = 30 * n; // chases; two to three a value is what happens
    std::int64_t high = n - 1;
    bool down = true;
    std::int64_t last_low = -1, last_high = -1;
    for (std::int64_t chases = 0; high > 0;) {
        const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
        if (std::abs(e[at(high - 1)]) <= nothing) {
            --high;
            continue;
        }
        std::int64_t low = high - 1;
        double block = std::max(std::abs(d[at(high)]), std::max(std::abs(d[at(low)]), std::abs(e[at(low)])));
        while (low > 0 && std::abs(e[at(low - 1)]) > nothing) {
            --low;
            block = std::max(block, std::max(std::abs(d[at(low)]), std::abs(e[at(low)])));
        }
        if (low > last_high || high < last_low || last_high < 0) { // another block
            down = std::abs(d[at(low)]) >= std::abs(d[at(high)]);
        }
        last_low = low;
        last_high = high;
        const Walk walk{d.data(), e.data(), down ? low : high, high - low + 1, down ? 1 : -1};
        double smallest = 0;
        if (split(walk, tolerance, smallest)) {
            continue;
        }
        if (++chases > most) {
            return false;
        }
        Sides<T> sides{};
        sides.kept = rotations != nullptr;
        if (rotations != nullptr) {
            const auto pair = rotations->begin(walk.first, walk.count - 1, walk.step);
            const auto& one = down ? pair.v : pair.u;
            const auto& two = down ? pair.u : pair.v;
            sides.c1 = one.cosines;
            sides.s1 = one.sines;
            sides.c2 = two.cosines;
            sides.s2 = two.sines;
        }
        const double shift = shift_of(walk, block, smallest, tolerance, eps);
        if (shift == 0) {
            chase_without_shift(walk, sides);
        } else {
            chase(walk, shift, sides);
        }
    }
    if (rotations != nullptr) {
        rotations->flush();
    }
    return true;
}

template class Rotations<float>;
template class Rotations<double>;
template bool diagonalise(std::vector<double>&, std::vector<double>&, double, Rotations<float>*);
template bool diagonalise(std::vector<double>&, std::vector<double>&, double, Rotations<double>*);

} // namespace fk::svd
