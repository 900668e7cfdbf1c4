/* Integral images; the formulas stand in src/cpp/ops/integral/integral.hpp. gray [height, width] dense; sums
 * [height + 1, width + 1] of int, squares of long. Whole numbers, modulo their width: the same on every device.
 *
 * Upright sums: along every row (integral_rows), then down every column, in bands of rows so that there is work for a GPU:
 * what each band adds (integral_bands), what stands above each (integral_offsets), and the sums (integral_columns).
 * Of one band the first two are left out.
 *
 * Tilted sums: U(r, c) = p(r, c) + U(r - 1, c + 1) up along the diagonals (integral_diagonals); then
 *   T(y, x) = T(y - 1, x - 1) + U(y - 1, x - 1) + U(y - 2, x - 1)   down along the others (integral_triangles),
 *   T(y, 0) = sum of U(r, 0) over r < y - 1                          (integral_edge).
 * The right edge of a triangle with its tip at (y - 1, x - 1) is two diagonals wider than that of the one above it to the left.
 *
 * Build options: FK_GROUP, work items that share a row; FK_BAND, rows of a band.
 */
#include "fk_integral.h"
#include "fk_scan.h"

__kernel __attribute__((reqd_work_group_size(FK_GROUP, 1, 1))) void
integral_rows(const fk_integral_shape s, __global const uchar* restrict gray, __global int* restrict sum,
              __global long* restrict square) {
    const int y = (int)get_group_id(1);
    const size_t line = (size_t)s.width + 1;
    gray += (size_t)y * s.width;
    sum += (y + 1) * line;
    if (s.squared) {
        square += (y + 1) * line;
    }
    FK_SCAN_LOCAL(scratch);
    int total = 0;
    long square_total = 0;
    if (get_local_id(0) == 0) {
        sum[0] = 0;
        if (s.squared) {
            square[0] = 0;
        }
    }
    for (int first = 0; first < s.width; first += FK_GROUP) {
        const int x = first + (int)get_local_id(0);
        const int p = x < s.width ? gray[x] : 0;
        const int here = fk_scan(p, scratch);
        if (x < s.width) {
            sum[x + 1] = total + here;
        }
        total += fk_scan_total(here, scratch);
        if (s.squared) {
            /* Squares of FK_GROUP pixels fit an int. */
            const int squares = fk_scan(p * p, scratch);
            if (x < s.width) {
                square[x + 1] = square_total + squares;
            }
            square_total += fk_scan_total(squares, scratch);
        }
    }
}

#define FK_DEFINE_COLUMNS(suffix, type)                                                                                          \
    __kernel void integral_bands_##suffix(const fk_integral_shape s, __global const type* restrict sums,                         \
                                          __global type* restrict bands) {                                                       \
        const int x = (int)get_global_id(0);                                                                                     \
        const int band = (int)get_global_id(1);                                                                                  \
        const size_t line = (size_t)s.width + 1;                                                                                 \
        if (x > s.width || band * FK_BAND >= s.height) {                                                                         \
            return;                                                                                                              \
        }                                                                                                                        \
        const int end = min(s.height, (band + 1) * FK_BAND);                                                                     \
        type sum = 0;                                                                                                            \
        for (int y = band * FK_BAND + 1; y <= end; ++y) {                                                                        \
            sum += sums[y * line + x];                                                                                           \
        }                                                                                                                        \
        bands[band * line + x] = sum;                                                                                            \
    }                                                                                                                            \
                                                                                                                                 \
    __kernel void integral_offsets_##suffix(const fk_integral_shape s, const int count, __global type* restrict bands) {         \
        const int x = (int)get_global_id(0);                                                                                     \
        const size_t line = (size_t)s.width + 1;                                                                                 \
        if (x > s.width) {                                                                                                       \
            return;                                                                                                              \
        }                                                                                                                        \
        type sum = 0;                                                                                                            \
        for (int band = 0; band < count; ++band) {                                                                               \
            const type here = bands[band * line + x];                                                                            \
            bands[band * line + x] = sum;                                                                                        \
            sum += here;                                                                                                         \
        }                                                                                                                        \
    }                                                                                                                            \
                                                                                                                                 \
    /* bands: null for one band of all rows */                                                                                   \
    __kernel void integral_columns_##suffix(const fk_integral_shape s, __global const type* restrict bands,                      \
                                            __global type* restrict sums) {                                                      \
        const int x = (int)get_global_id(0);                                                                                     \
        const int band = (int)get_global_id(1);                                                                                  \
        const size_t line = (size_t)s.width + 1;                                                                                 \
        if (x > s.width || (bands != 0 && band * FK_BAND >= s.height)) {                                                         \
            return;                                                                                                              \
        }                                                                                                                        \
        const int first = bands != 0 ? band * FK_BAND + 1 : 1;                                                                   \
        const int end = bands != 0 ? min(s.height, (band + 1) * FK_BAND) : s.height;                                             \
        type sum = bands != 0 ? bands[band * line + x] : 0;                                                                      \
        if (first == 1) {                                                                                                        \
            sums[x] = 0;                                                                                                         \
        }                                                                                                                        \
        for (int y = first; y <= end; ++y) {                                                                                     \
            sum += sums[y * line + x];                                                                                           \
            sums[y * line + x] = sum;                                                                                            \
        }                                                                                                                        \
    }

FK_DEFINE_COLUMNS(sum, int)
FK_DEFINE_COLUMNS(square, long)

/* One work item for each diagonal r + c = d. All go down row by row, inside the picture or not, so that neighbours write
 * neighbouring values. */
__kernel void integral_diagonals(const fk_integral_shape s, __global const uchar* restrict gray, __global int* restrict u) {
    const int d = (int)get_global_id(0);
    int sum = 0;
    for (int r = 0; r < s.height && r <= d; ++r) {
        if (d - r < s.width) {
            const size_t at = (size_t)r * s.width + (d - r);
            sum += gray[at];
            u[at] = sum;
        }
    }
}

__kernel __attribute__((reqd_work_group_size(FK_GROUP, 1, 1))) void
integral_edge(const fk_integral_shape s, __global const int* restrict u, __global int* restrict tilted) {
    FK_SCAN_LOCAL(scratch);
    fk_scan_edge(s.height, u, s.width, tilted, s.width + 1, scratch);
}

/* One work item for each diagonal x - y = d - height; u as above, tilted with its first column from integral_edge. */
__kernel void integral_triangles(const fk_integral_shape s, __global const int* restrict u, __global int* restrict tilted) {
    const int d = (int)get_global_id(0) - s.height;
    if (d > s.width) {
        return;
    }
    const size_t line = (size_t)s.width + 1;
    int sum = 0;
    if (d > 0) {
        tilted[d] = 0;
    }
    for (int y = 1; y <= s.height; ++y) {
        const int x = y + d;
        if (x == 0) {
            sum = tilted[y * line];
        } else if (x > 0 && x <= s.width) {
            sum += u[(size_t)(y - 1) * s.width + x - 1] + (y >= 2 ? u[(size_t)(y - 2) * s.width + x - 1] : 0);
            tilted[y * line + x] = sum;
        }
    }
}
