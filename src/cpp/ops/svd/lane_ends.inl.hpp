// What comes before and after the rotations of many small matrices, one in each lane: numbers in, identity, order, signs, numbers
// out.
#pragma once

#include "ops/svd/leaf.hpp"
#include "ops/svd/transpose.inl.hpp"
#include "simd/vecd.hpp"

namespace fk::FK_ISA {
namespace {

// Vectors of matrices that go side by side.
constexpr int twins = 2;

template <class T> FK_INLINE T* lane_column(T* x, int j, int rows) {
    return x + static_cast<int64_t>(j) * rows * twins * Wide<T>::width;
}

// Exchanges columns j and j + 1 where the mask says so.
template <class T, class M> FK_INLINE void exchange(T* x, int j, int rows, int h, M wanted) {
    constexpr int W = Wide<T>::width;
    T* p = lane_column(x, j, rows) + h * W;
    T* q = lane_column(x, j + 1, rows) + h * W;
    for (int i = 0; i < rows * twins * W; i += twins * W) {
        const auto a = load(p + i);
        const auto b = load(q + i);
        store(p + i, select(wanted, b, a));
        store(q + i, select(wanted, a, b));
    }
}

// Falling squares; the sweeps leave them sorted but where columns were orthogonal from the beginning.
template <class T> FK_INLINE void sort_lanes(const SvdLanes<T>& l) {
    constexpr int W = Wide<T>::width;
    bool moved = true;
    for (int last = l.n - 1; last > 0 && moved; --last) {
        moved = false;
        for (int j = 0; j < last; ++j) {
            for (int h = 0; h < twins; ++h) {
                const auto wanted = gt(load(l.squares + ((j + 1) * twins + h) * W), load(l.squares + (j * twins + h) * W));
                if (mask_bits(wanted) == 0) {
                    continue;
                }
                moved = true;
                exchange(l.squares, j, 1, h, wanted);
                exchange(l.x, j, l.m, h, wanted);
                if (l.v != nullptr) {
                    exchange(l.v, j, l.n, h, wanted);
                }
            }
        }
    }
}

// Squares become singular values, columns of x unit vectors, and the largest entry of each column of v positive.
template <class T> FK_INLINE void finish_lanes(const SvdLanes<T>& l) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    constexpr int step = twins * W;
    for (int j = 0; j < l.n; ++j) {
        for (int h = 0; h < twins; ++h) {
            const V value = sqrt(load(l.squares + j * step + h * W));
            store(l.squares + j * step + h * W, value * splat(T(1) / l.lift) * load(l.back + h * W));
            if (l.v == nullptr) {
                continue;
            }
            T* v = lane_column(l.v, j, l.n) + h * W;
            V most = splat(T(0));
            V size = most;
            for (int i = 0; i < l.n; ++i) {
                const V number = load(v + i * step);
                most = select(gt(abs(number), size), number, most);
                size = max(abs(number), size);
            }
            const V sign = select(gt(splat(T(0)), most), splat(T(-1)), splat(T(1)));
            for (int i = 0; i < l.n; ++i) {
                store(v + i * step, sign * load(v + i * step));
            }
            T* x = lane_column(l.x, j, l.m) + h * W;
            const V factor = sign / value;
            for (int i = 0; i < l.m; ++i) {
                store(x + i * step, factor * load(x + i * step));
            }
        }
    }
}

template <class T> FK_INLINE unsigned too_small(const SvdLanes<T>& l) {
    constexpr int W = Wide<T>::width;
    unsigned enough = 0;
    for (int h = 0; h < twins; ++h) {
        const auto least = load(l.squares + ((l.n - 1) * twins + h) * W);
        const auto bound = max(splat(l.smallest_share) * load(l.squares + h * W), splat(T(0)));
        enough |= mask_bits(gt(least, bound)) << (h * W);
    }
    return ~enough;
}

template <class T> FK_INLINE void begin_lanes(const SvdLanes<T>& l) {
    using V = typename Wide<T>::v;
    constexpr int W = Wide<T>::width;
    for (int64_t at = 0; at < static_cast<int64_t>(l.m) * l.n * twins * W; at += static_cast<int64_t>(twins) * W) {
        for (int h = 0; h < twins; ++h) {
            store(l.x + at + h * W, load(l.x + at + h * W) * load(l.scales + h * W) * splat(l.lift));
        }
    }
    for (int j = 0; l.v != nullptr && j < l.n; ++j) {
        for (int i = 0; i < l.n; ++i) {
            const V entry = splat(T(i == j ? 1 : 0));
            for (int h = 0; h < twins; ++h) {
                store(lane_column(l.v, j, l.n) + (i * twins + h) * W, entry);
            }
        }
    }
}

// Number f of every matrix to or from the vector place[f], in blocks of 16 matrices and 16 numbers where there is a transpose.
template <class T> void into_lanes(const SvdLaneCopy<T>& c) {
    constexpr int64_t step = twins * Wide<T>::width;
    int begin = 0;
#if FK_ISA_LEVEL >= 2
    if constexpr (sizeof(T) == 4) {
        for (; c.count == step && begin + 16 <= c.size; begin += 16) {
            for (int h = 0; h < twins; ++h) {
                vf block[16];
                FK_UNROLL
                for (int i = 0; i < 16; ++i) {
                    block[i] = load(c.matrices + (16 * h + i) * c.step + begin);
                }
                transpose(block);
                FK_UNROLL
                for (int i = 0; i < 16; ++i) {
                    store(c.lanes + c.place[begin + i] * step + static_cast<int64_t>(16) * h, block[i]);
                }
            }
        }
    }
#endif
    for (int lane = 0; lane < c.count; ++lane) {
        const T* matrix = c.matrices + lane * c.step;
        for (int f = begin; f < c.size; ++f) {
            c.lanes[c.place[f] * step + lane] = matrix[f];
        }
    }
}

template <class T> void out_of_lanes(const SvdLaneCopy<T>& c) {
    constexpr int64_t step = twins * Wide<T>::width;
    int begin = 0;
#if FK_ISA_LEVEL >= 2
    if constexpr (sizeof(T) == 4) {
        for (; c.count == step && begin + 16 <= c.size; begin += 16) {
            for (int h = 0; h < twins; ++h) {
                vf block[16];
                FK_UNROLL
                for (int i = 0; i < 16; ++i) {
                    block[i] = load(c.lanes + c.place[begin + i] * step + static_cast<int64_t>(16) * h);
                }
                transpose(block);
                FK_UNROLL
                for (int i = 0; i < 16; ++i) {
                    store(c.out + (16 * h + i) * c.step + begin, block[i]);
                }
            }
        }
    }
#endif
    for (int lane = 0; lane < c.count; ++lane) {
        T* matrix = c.out + lane * c.step;
        for (int f = begin; f < c.size; ++f) {
            matrix[f] = c.lanes[c.place[f] * step + lane];
        }
    }
}

} // namespace
} // namespace fk::FK_ISA
