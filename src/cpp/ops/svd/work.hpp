// What the parts of the decomposition share: who computes, and matrices that stand by columns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <vector>

#include "base/tensor.hpp"
#include "ops/split.hpp"
#include "ops/svd/leaf.hpp"

namespace fk::svd {

template <class T> const SvdSteps<T>& steps_of(const SvdKernels& kernels);
template <> inline const SvdSteps<float>& steps_of<float>(const SvdKernels& kernels) { return kernels.f32; }
template <> inline const SvdSteps<double>& steps_of<double>(const SvdKernels& kernels) { return kernels.f64; }

// Element (i, j) at data[i + j ld].
template <class T> struct Columns {
    T* data;
    std::int64_t ld;
    std::int64_t rows, columns;

    T* column(std::int64_t j) const { return data + j * ld; }
    T& at(std::int64_t i, std::int64_t j) const { return data[i + j * ld]; }
    Columns part(std::int64_t row, std::int64_t column, std::int64_t part_rows, std::int64_t part_columns) const {
        return {data + row + column * ld, ld, part_rows, part_columns};
    }
};

// Any strides: element (i, j) at data[i row + j column].
template <class T> struct Strided {
    T* data;
    std::int64_t row, column;

    T& at(std::int64_t i, std::int64_t j) const { return data[i * row + j * column]; }
};

template <class T> struct Matrix {
    Tensor<T> memory;
    Columns<T> view{};

    Matrix() = default;
    // Zeros; columns a multiple of svd_pad apart.
    Matrix(std::int64_t rows, std::int64_t columns)
        : memory(round_up(rows, svd_pad) * columns), view{memory.data(), round_up(rows, svd_pad), rows, columns} {}
};

// The steps of one instruction set, packing memory for each thread, and how many threads there are to share work with.
template <class T> struct Worker {
    const SvdKernels* kernels;
    const SvdSteps<T>* steps;
    T* packed; // [threads][svd_packed]
    int threads;

    Worker alone(int slot) const { return {kernels, steps, packed + slot * svd_packed, 1}; }

    // The product, its rows or columns shared where that is worth it; scale and add as in SvdProduct.
    void multiply(SvdProduct<T> g) const {
        const int crew = threads_for(2 * g.m * g.n * g.k, flops_worth_a_thread, threads);
        const std::int64_t unit = 84; // rows or columns that keep tiles whole enough
        const bool by_rows = g.m >= g.n;
        const std::int64_t most = ceil_div(by_rows ? g.m : g.n, unit);
        const int pieces = crew == 1 ? 1 : static_cast<int>(std::min<std::int64_t>(most, pieces_per_thread * crew));
        parallel_for(pieces, crew, [&](int piece, int slot) {
            SvdProduct<T> own = g;
            const std::int64_t whole = by_rows ? g.m : g.n;
            const std::int64_t begin = whole * piece / pieces;
            const std::int64_t size = whole * (piece + 1) / pieces - begin;
            if (by_rows) {
                own.a += begin * g.a_row;
                own.c += begin * g.ldc;
                own.m = size;
            } else {
                own.b += begin * g.b_column;
                own.c += begin;
                own.n = size;
            }
            own.packed = packed + slot * svd_packed;
            steps->product(own);
        });
    }
};

// parallel_for for bodies that allocate or may fail: the first failure, by number, is raised when all are done.
template <class F> void parallel_tasks(std::int64_t tasks, int threads, F&& f) {
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(tasks));
    parallel_for(static_cast<int>(tasks), threads, [&](int task, int slot) {
        try {
            f(task, slot);
        } catch (...) {
            failures[static_cast<std::size_t>(task)] = std::current_exception();
        }
    });
    for (const std::exception_ptr& failure : failures) {
        if (failure) {
            std::rethrow_exception(failure);
        }
    }
}

// to[i, j] = scale from[i, j] in square tiles, so that one side's stride does not cost a cache line for each number.
template <class A, class B>
void copy_scaled(const Strided<const A>& from, const Strided<B>& to, std::int64_t rows, std::int64_t columns, B scale) {
    constexpr std::int64_t tile = 16;
    for (std::int64_t i0 = 0; i0 < rows; i0 += tile) {
        const std::int64_t i1 = std::min(rows, i0 + tile);
        for (std::int64_t j0 = 0; j0 < columns; j0 += tile) {
            const std::int64_t j1 = std::min(columns, j0 + tile);
            for (std::int64_t j = j0; j < j1; ++j) {
                for (std::int64_t i = i0; i < i1; ++i) {
                    to.at(i, j) = static_cast<B>(from.at(i, j)) * scale;
                }
            }
        }
    }
}

} // namespace fk::svd
