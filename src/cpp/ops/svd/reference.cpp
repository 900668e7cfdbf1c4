// The steps in plain loops: what each of them means.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/isa.hpp"
#include "ops/svd/leaf.hpp"

namespace fk::scalar {

const SvdKernels* svd_reference();

namespace {

template <class T> void dots(const T* a, int64_t lda, int64_t rows, int64_t columns, const T* x, T* y) {
    for (int64_t j = 0; j < columns; ++j) {
        T sum = 0;
        for (int64_t i = 0; i < rows; ++i) {
            sum += a[i + j * lda] * x[i];
        }
        y[j] = sum;
    }
}

template <class T> void combine(const T* a, int64_t lda, int64_t rows, int64_t columns, const T* x, T scale, T* y) {
    for (int64_t j = 0; j < columns; ++j) {
        for (int64_t i = 0; i < rows; ++i) {
            y[i] += scale * x[j] * a[i + j * lda];
        }
    }
}

template <class T> void multiply(const SvdProduct<T>& g) {
    for (int64_t i = 0; i < g.m; ++i) {
        for (int64_t j = 0; j < g.n; ++j) {
            T sum = 0;
            for (int64_t p = 0; p < g.k; ++p) {
                sum += g.a[i * g.a_row + p * g.a_column] * g.b[p * g.b_row + j * g.b_column];
            }
            T& to = g.c[i * g.ldc + j];
            to = g.scale * sum + (g.add ? to : T(0));
        }
    }
}

void gram(const SvdGram& g) {
    for (int64_t i = 0; i < g.n; ++i) {
        for (int64_t j = i; j < g.n; ++j) {
            for (int64_t p = 0; p < g.rows; ++p) {
                g.g[i * g.ldg + j] += static_cast<double>(g.a[p * g.row + i * g.column]) * g.a[p * g.row + j * g.column];
            }
        }
    }
}

template <class T> void rotate(const SvdRotations<T>& r) {
    for (int64_t i = 0; i < r.sweep_count; ++i) {
        const SvdSweep& sweep = r.sweeps[i];
        for (int64_t k = 0; k < sweep.count; ++k) {
            T* x = r.vectors + (sweep.first + k * sweep.step) * r.ld;
            T* y = x + sweep.step * r.ld;
            for (int64_t j = r.begin; j < r.end; ++j) {
                const T before = x[j];
                x[j] = r.cosines[sweep.at + k] * before + r.sines[sweep.at + k] * y[j];
                y[j] = r.cosines[sweep.at + k] * y[j] - r.sines[sweep.at + k] * before;
            }
        }
    }
}

template <class T> T largest(const T* x, int64_t n) {
    T most = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (!std::isfinite(x[i])) {
            return std::numeric_limits<T>::quiet_NaN();
        }
        most = std::fmax(most, std::fabs(x[i]));
    }
    return most;
}

// Rotates columns p and q of x, and of v; false where they are orthogonal already.
template <class T> bool turn(T* p, T* q, int64_t rows, T* vp, T* vq, int64_t v_rows, double tolerance) {
    double a = 0;
    double b = 0;
    double g = 0;
    for (int64_t i = 0; i < rows; ++i) {
        a += static_cast<double>(p[i]) * p[i];
        b += static_cast<double>(q[i]) * q[i];
        g += static_cast<double>(p[i]) * q[i];
    }
    if (std::fabs(g) <= tolerance * std::sqrt(a) * std::sqrt(b)) {
        return false;
    }
    const double z = (b - a) / (2 * g);
    const double t = (z < 0 ? -1 : 1) / (std::fabs(z) + std::sqrt(1 + z * z));
    const T c = static_cast<T>(1 / std::sqrt(1 + t * t));
    const T s = static_cast<T>(t / std::sqrt(1 + t * t));
    const auto apply = [&](T* x, T* y, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
            const T before = x[i];
            x[i] = c * before - s * y[i];
            y[i] = s * before + c * y[i];
        }
    };
    apply(p, q, rows);
    if (vp != nullptr) {
        apply(vp, vq, v_rows);
    }
    return true;
}

// One lane: the same by plain loops, sorted by insertion.
template <class T> unsigned lanes_jacobi(const SvdLanes<T>& l) {
    const int m = l.m, n = l.n;
    const bool vectors = l.v != nullptr;
    for (int i = 0; i < m * n; ++i) {
        l.x[i] = l.x[i] * l.scales[0] * l.lift;
    }
    for (int i = 0; vectors && i < n * n; ++i) {
        l.v[i] = T(i % (n + 1) == 0);
    }
    const auto v = [&](int j) { return vectors ? l.v + j * n : nullptr; };
    bool turned = true;
    for (int sweep = 0; sweep < l.most_sweeps && turned; ++sweep) {
        turned = false;
        for (int p = 0; p < n; ++p) {
            for (int q = p + 1; q < n; ++q) {
                turned |= turn(l.x + p * m, l.x + q * m, m, v(p), v(q), n, static_cast<double>(l.tolerance));
            }
        }
    }
    for (int j = 0; j < n; ++j) {
        dots(l.x + j * m, m, m, 1, l.x + j * m, l.squares + j);
        for (int k = j; k > 0 && l.squares[k - 1] < l.squares[k]; --k) {
            std::swap(l.squares[k - 1], l.squares[k]);
            std::swap_ranges(l.x + (k - 1) * m, l.x + k * m, l.x + k * m);
            if (vectors) {
                std::swap_ranges(v(k - 1), v(k), v(k));
            }
        }
    }
    const bool small = !(l.squares[n - 1] > l.smallest_share * l.squares[0]) || !(l.squares[n - 1] > 0);
    for (int j = 0; j < n; ++j) {
        const T value = std::sqrt(l.squares[j]);
        l.squares[j] = value / l.lift * l.back[0];
        if (vectors) {
            const T* largest = std::max_element(v(j), v(j) + n, [](T a, T b) { return std::abs(a) < std::abs(b); });
            const T sign = *largest < 0 ? T(-1) : T(1);
            std::for_each(v(j), v(j) + n, [&](T& number) { number *= sign; });
            std::for_each(l.x + j * m, l.x + (j + 1) * m, [&](T& number) { number *= sign / value; });
        }
    }
    return turned || small ? 1 : 0;
}

template <class T> void into_lanes(const SvdLaneCopy<T>& c) {
    for (int f = 0; f < c.size; ++f) {
        c.lanes[c.place[f]] = c.matrices[f];
    }
}

template <class T> void out_of_lanes(const SvdLaneCopy<T>& c) {
    for (int f = 0; f < c.size; ++f) {
        c.out[f] = c.lanes[c.place[f]];
    }
}

template <class T> bool jacobi(const SvdColumns<T>& j) {
    bool turned = true;
    for (int sweep = 0; sweep < j.most_sweeps && turned; ++sweep) {
        turned = false;
        for (int p = 0; p < j.n; ++p) {
            for (int q = p + 1; q < j.n; ++q) {
                const bool v = j.v != nullptr;
                turned |= turn(j.x + p * j.ld, j.x + q * j.ld, j.n, v ? j.v + p * j.ld : nullptr, v ? j.v + q * j.ld : nullptr,
                               j.n, static_cast<double>(j.tolerance));
            }
        }
    }
    for (int k = 0; k < j.n; ++k) {
        dots(j.x + k * j.ld, j.ld, j.n, 1, j.x + k * j.ld, j.squares + k);
    }
    return !turned;
}

// By halving, from the nearer pole.
void secular(const SvdSecular& s) {
    double total = 0;
    for (int j = 0; j < s.k; ++j) {
        total += s.squares[j];
    }
    for (int i = s.begin; i < s.end; ++i) {
        const int own = std::min(i, s.k - 1);
        const auto f = [&](double origin, double x) {
            double sum = 1;
            for (int j = 0; j < s.k; ++j) {
                sum += s.squares[j] / ((s.d[j] - origin) * (s.d[j] + origin) - x);
            }
            return sum;
        };
        const bool top = own + 1 == s.k;
        const double gap = top ? total : (s.d[own + 1] - s.d[own]) * (s.d[own + 1] + s.d[own]);
        const bool later = !top && f(s.d[own], gap / 2) < 0;
        const double origin = s.d[later ? own + 1 : own];
        double low = later ? -gap / 2 : 0;
        double high = later ? 0 : top ? gap * (1 + 1e-14) : gap / 2;
        double x = (low + high) / 2;
        for (int step = 0; step < 200 && low < x && x < high; ++step) {
            (f(origin, x) < 0 ? low : high) = x;
            x = (low + high) / 2;
        }
        s.origins[i] = origin;
        s.x[i] = x;
        s.values[i] = origin + x / (origin + std::sqrt(origin * origin + x));
    }
}

void secular_weights(const SvdSecular& s) {
    for (int j = s.begin; j < std::min(s.end, s.k); ++j) {
        const auto apart = [&](int i) { return (s.origins[i] - s.d[j]) * (s.origins[i] + s.d[j]) + s.x[i]; };
        double product = apart(s.k - 1);
        for (int i = 0; i + 1 < s.k; ++i) {
            const double pole = s.d[i < j ? i : i + 1];
            product *= apart(i) / ((pole - s.d[j]) * (pole + s.d[j]));
        }
        s.weights[j] = std::copysign(std::sqrt(std::fmax(product, 0.0)), s.z[j]);
    }
}

template <class T> void secular_vectors(const SvdSecularVectors<T>& s) {
    for (int64_t i = s.begin; i < s.end; ++i) {
        double right = 0;
        double left = 0;
        const auto entry = [&](int j) { return s.weights[j] / ((s.d[j] - s.origins[i]) * (s.d[j] + s.origins[i]) - s.x[i]); };
        const auto other = [&](int j) { return j == s.zero ? -1.0 : s.d[j] * entry(j); };
        for (int j = 0; j < s.k; ++j) {
            right += entry(j) * entry(j);
            left += other(j) * other(j);
        }
        for (int j = 0; j < s.k; ++j) {
            s.right[j * s.ld + i] = static_cast<T>(entry(j) / std::sqrt(right));
            s.left[j * s.ld + i] = static_cast<T>(other(j) / std::sqrt(left));
        }
    }
}

template <class T> constexpr SvdSteps<T> plain_steps() {
    return {.dots = &dots<T>,
            .combine = &combine<T>,
            .product = &multiply<T>,
            .rotate = &rotate<T>,
            .largest = &largest<T>,
            .lanes_jacobi = &lanes_jacobi<T>,
            .into_lanes = &into_lanes<T>,
            .out_of_lanes = &out_of_lanes<T>,
            .jacobi = &jacobi<T>,
            .rows_jacobi = nullptr,
            .secular_vectors = &secular_vectors<T>,
            .lanes = 1};
}
constexpr SvdKernels plain{plain_steps<float>(), plain_steps<double>(), &gram, &secular, &secular_weights};

} // namespace

const SvdKernels* svd_reference() { return &plain; }

} // namespace fk::scalar
