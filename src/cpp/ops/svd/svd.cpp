#include "ops/svd/svd.hpp"

#include <cmath>

#include "base/threads.hpp"
#include "ops/dims.hpp"
#include "ops/svd/batch.hpp"
#include "ops/svd/one.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    const SvdKernels* function();                                                                                                \
    }
#include "ops/svd/kernels.inc"
#undef FK_KERNEL

namespace svd {

namespace {
const std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible, block},
#include "ops/svd/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("svd", rows);

// Columns that a device rotates: those of R, or of a sketch's product.
int rotated_columns(const Shape& s) {
    const int n = std::min(s.m, s.n);
    return method_of(s) == Method::randomized ? std::min(n, s.k + s.oversample) : n;
}
// Many matrices that are small enough to stand side by side, each done by one lane.
bool small_batch(const Shape& s) {
    const Method method = method_of(s);
    return s.batch >= 16 && std::min(s.m, s.n) <= 32 && std::max(s.m, s.n) <= 64 &&
           (method == Method::automatic || method == Method::jacobi);
}
// A work group for each matrix leaves none idle, or has little to do.
bool one_group(const Shape& s) { return rotated_columns(s) <= (s.batch >= 8 ? 128 : 32); }

const std::array device_rows = std::to_array<DeviceRow<Shape>>({
#define FK_KERNEL(isa, name, function, eligible, block)
#define FK_DEVICE_KERNEL(target, name, function, eligible) {target, name, function, &eligible},
#include "ops/svd/kernels.inc"
#undef FK_DEVICE_KERNEL
#undef FK_KERNEL
});
const Registration device_registration = register_device_rows("svd", device_rows);

// Rotations of n columns take some 80 n^3 operations, so there is an end to what a device should be asked.
constexpr int most_rotated = 1024;
// Numbers of a matrix, rounded up to whole pieces, are counted in 32 bits there.
constexpr std::int64_t most_numbers = std::int64_t{1} << 30;

Method method_from_name(const std::string& name) {
    constexpr std::array names{"auto", "gram", "qr", "jacobi", "bidiagonal", "randomized"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) {
            return static_cast<Method>(i);
        }
    }
    throw ValueError(message("unknown method '", name, "'; known: auto, gram, qr, jacobi, bidiagonal, randomized"));
}

// The first number of a, in C order, that is not finite.
template <class T> void refuse(const View<const T>& a) {
    for (std::int64_t b = 0; b < a.dims[0]; ++b) {
        for (std::int64_t i = 0; i < a.dims[1]; ++i) {
            for (std::int64_t j = 0; j < a.dims[2]; ++j) {
                const T value = a.data[b * a.strides[0] + i * a.strides[1] + j * a.strides[2]];
                if (!std::isfinite(value)) {
                    throw ValueError(
                        message("a must be finite; a[", a.rank == 3 ? message(b, ", ") : "", i, ", ", j, "] is ", value));
                }
            }
        }
    }
}

// The largest magnitude of each matrix; ValueError where a number is not finite.
template <class T> std::vector<T> largest_of(const SvdSteps<T>& steps, const View<const T>& a, int threads) {
    const std::int64_t m = a.dims[1], n = a.dims[2];
    // Along whatever stands side by side, in pieces of some rows.
    const bool by_columns = a.strides[1] == 1 && a.strides[2] != 1;
    const std::int64_t lines = by_columns ? n : m, length = by_columns ? m : n;
    const std::int64_t line = a.strides[by_columns ? 2 : 1], item = a.strides[by_columns ? 1 : 2];
    const bool whole = item == 1 && line == length;
    const std::int64_t pieces = std::clamp<std::int64_t>(m * n / 65536, 1, 64);
    std::vector<T> most(static_cast<std::size_t>(a.dims[0] * pieces));
    const int crew = threads_for(a.dims[0] * m * n * static_cast<std::int64_t>(sizeof(T)), bytes_worth_a_thread, threads);
    const std::int64_t tasks = a.dims[0] * pieces;
    const std::int64_t cut = crew == 1 ? 1 : std::min<std::int64_t>(tasks, 64);
    parallel_for(static_cast<int>(cut), crew, [&](int part, int) {
        for (std::int64_t task = tasks * part / cut; task < tasks * (part + 1) / cut; ++task) {
            const std::int64_t begin = lines * (task % pieces) / pieces, end = lines * (task % pieces + 1) / pieces;
            const T* from = a.data + task / pieces * a.strides[0] + begin * line;
            T found = 0;
            if (whole) {
                found = steps.largest(from, (end - begin) * length);
            }
            for (std::int64_t i = begin; !whole && i < end && std::isfinite(found); ++i, from += line) {
                if (item == 1) {
                    const T value = steps.largest(from, length);
                    found = value >= found || !std::isfinite(value) ? value : found;
                    continue;
                }
                for (std::int64_t j = 0; j < length && std::isfinite(found); ++j) {
                    const T value = std::abs(from[j * item]);
                    found = value >= found || !std::isfinite(value) ? value : found;
                }
            }
            most[static_cast<std::size_t>(task)] = found;
        }
    });
    std::vector<T> result(static_cast<std::size_t>(a.dims[0]));
    for (std::size_t task = 0; task < most.size(); ++task) {
        if (!std::isfinite(most[task])) {
            refuse(a);
        }
        T& to = result[task / static_cast<std::size_t>(pieces)];
        to = std::max(to, most[task]);
    }
    return result;
}
} // namespace

Shape infer(const Params& p) {
    const auto [batch, m, n] = p.a;
    require(batch >= 1 && m >= 1 && n >= 1, "a must not be empty, its shape is [", batch, ", ", m, ", ", n,
            "] (matrices, rows, columns)");
    const std::int64_t rank = std::min(m, n);
    const std::int64_t k = p.k.value_or(rank);
    require(k >= 1 && k <= rank, "k must be from 1 to min(m, n) = ", rank, ", is ", k);
    require(!p.full || p.vectors, "full_matrices asks for vectors, compute_uv=False for none");
    require(!p.full || !p.k.has_value(), "full_matrices and k = ", k, " exclude each other");
    const Method method = method_from_name(p.method);
    require(method != Method::gram || !p.wide_type, "method 'gram' is for float32, a is float64; pass method=\"qr\"");
    require(method != Method::gram || !p.full, "method 'gram' makes no full matrices; pass method=\"qr\"");
    require(method != Method::randomized || p.k.has_value(), "method 'randomized' needs k");
    require(p.oversample >= 0 && p.oversample <= 1 << 20, "oversample must be from 0 to ", 1 << 20, ", is ", p.oversample);
    require(p.seed >= 0, "seed must not be negative, is ", p.seed);
    require(p.iterations >= 0 && p.iterations <= 1000, "iterations must be from 0 to 1000, is ", p.iterations);
    return {.batch = checked_int(batch, "matrices"),
            .m = checked_int(m, "rows of a"),
            .n = checked_int(n, "columns of a"),
            .k = static_cast<int>(k),
            .full = p.full ? 1 : 0,
            .vectors = p.vectors ? 1 : 0,
            .method = static_cast<int>(method),
            .oversample = static_cast<int>(p.oversample),
            .iterations = static_cast<int>(p.iterations),
            .seed_low = static_cast<unsigned>(p.seed),
            .seed_high = static_cast<unsigned>(static_cast<std::uint64_t>(p.seed) >> 32),
            .wide_type = p.wide_type ? 1 : 0};
}

// The nominal count: what bidiagonal after qr needs (Golub and Van Loan, table 8.6.1), whatever way is taken.
Cost cost(const Shape& s) {
    const double m = std::max(s.m, s.n), n = std::min(s.m, s.n), size = s.wide_type != 0 ? 8 : 4;
    const double flops = s.vectors != 0 ? 6 * m * n * n + 20 * n * n * n : 2 * m * n * n + 2 * n * n * n;
    const double out = s.vectors != 0 ? double(s.m) * u_columns(s) + double(s.n) * vt_rows(s) + s.k : s.k;
    return {.flops = double(s.batch) * flops,
            .bytes_read = double(s.batch) * size * m * n,
            .bytes_written = double(s.batch) * size * out};
}

const DeviceRow<Shape>& choose_device_kernel(const Shape& s, std::string_view target) {
    const Method method = method_of(s);
    require(method != Method::gram && method != Method::bidiagonal, "svd on ", target,
            " serves the methods auto, jacobi, qr and randomized, not '", method == Method::gram ? "gram" : "bidiagonal", "'");
    require(s.full == 0 || s.m == s.n, "svd on ", target, " makes thin factors, no full matrices of [", s.m, ", ", s.n, "]");
    require(rotated_columns(s) <= most_rotated, "svd on ", target, " serves min(m, n) up to ", most_rotated,
            " (method 'randomized': k + oversample), is ", rotated_columns(s), " here");
    require(std::int64_t(s.m) * s.n <= most_numbers, "svd on ", target, " serves matrices of up to ", most_numbers,
            " numbers, a has ", s.m, " x ", s.n);
    return choose_device_row("svd", device_rows, s, target);
}

template <class T> std::vector<int> exponents(const View<const T>& a, int threads) {
    // Not choose_row(): a name that was chosen is that of a device's kernel.
    const auto best =
        std::find_if(rows.begin(), rows.end(), [](const KernelRow& row) { return row.isa <= current_choice().isa; });
    std::vector<int> result;
    for (const T largest : largest_of(steps_of<T>(*best->function()), a, threads)) {
        int exponent = 0;
        std::frexp(largest, &exponent);
        result.push_back(std::max(exponent, 3 - std::numeric_limits<T>::max_exponent));
    }
    return result;
}

template <class T> std::string decompose(const Shape& shape, const View<const T>& a, const Results<T>& to, int threads) {
    const SvdKernels& kernels = *choose_row("svd", rows, shape).function();
    const SvdSteps<T>& steps = steps_of<T>(kernels);
    const std::vector<T> largest = largest_of(steps, a, threads);
    std::vector<std::int64_t> left;
    std::string taken;
    if (fits_lanes(shape)) {
        left = decompose_lanes(steps, shape, a, largest, to, threads);
        taken = "jacobi";
        if (left.empty()) {
            return taken;
        }
    } else {
        left.resize(static_cast<std::size_t>(shape.batch));
        for (std::int64_t b = 0; b < shape.batch; ++b) {
            left[static_cast<std::size_t>(b)] = b;
        }
    }
    const auto count = static_cast<std::int64_t>(left.size());
    const int crew = static_cast<int>(std::min<std::int64_t>(threads, count));
    Tensor<T> packed = Tensor<T>::unset(svd_packed * threads);
    const Worker<T> worker{&kernels, &steps, packed.data(), threads};
    std::vector<std::string> ways(left.size());
    // One after the other on all threads where there are few, else side by side.
    const bool apart = count >= 2 * threads;
    parallel_tasks(count, apart ? crew : 1, [&](std::int64_t task, int slot) {
        const auto at = static_cast<std::size_t>(task);
        ways[at] = decompose_one(apart ? worker.alone(slot) : worker, shape, a, left[at],
                                 largest[static_cast<std::size_t>(left[at])], to);
    });
    // Each way once, in the order of the first matrix that took it.
    for (const std::string& way : ways) {
        if ((", " + taken + ",").find(", " + way + ",") == std::string::npos) {
            taken += (taken.empty() ? "" : ", ") + way;
        }
    }
    return taken;
}

template std::vector<int> exponents(const View<const float>&, int);
template std::vector<int> exponents(const View<const double>&, int);
template std::string decompose(const Shape&, const View<const float>&, const Results<float>&, int);
template std::string decompose(const Shape&, const View<const double>&, const Results<double>&, int);

} // namespace svd
} // namespace fk
