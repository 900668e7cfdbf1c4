/* Gaussian pyramid; the formula stands in src/cpp/ops/pyramid/pyramid.hpp, the order of the float32 operations in
 * reference.cpp there: the same bits as on the processor, so no multiply-add may be contracted.
 *
 * pyramid_halve  one work item for FK_LANES pixels of a row of the next level. Column sums of every second place are read as the
 *                even and odd lanes of vectors that begin two, none and two columns away; at the border, and on a GPU, where
 *                neighbouring work items share their cache lines, pixels are filtered one by one.
 *
 * Build options: FK_FLOAT (fk_frame.h); FK_LANES 1, 8.
 */
#include "fk_frame.h"

#pragma OPENCL FP_CONTRACT OFF

#if FK_FLOAT
#define FK_SUM float
#define FK_TAP(weight) (float)(weight)
#define FK_MEAN(sum) ((sum) * (1.0f / 256))
#else
#define FK_SUM int
#define FK_TAP(weight) (ushort)(weight)
#define FK_MEAN(sum) (((sum) + FK_TAP(128)) >> FK_TAP(8))
#endif

/* 1 4 6 4 1 */
#define FK_BINOMIAL(a, b, c, d, e) (((a) + (e)) + FK_TAP(4) * ((b) + (d)) + FK_TAP(6) * (c))

typedef struct fk_rows {
    __global const fk_pixel* of[5];
} fk_rows;

FK_SUM fk_column(const fk_rows* rows, const int x) {
    return FK_BINOMIAL((FK_SUM)rows->of[0][x], (FK_SUM)rows->of[1][x], (FK_SUM)rows->of[2][x], (FK_SUM)rows->of[3][x],
                       (FK_SUM)rows->of[4][x]);
}

fk_pixel fk_halved(const fk_rows* rows, const int x, const int width) {
    const FK_SUM sum = FK_BINOMIAL(fk_column(rows, fk_reflect(2 * x - 2, width)), fk_column(rows, fk_reflect(2 * x - 1, width)),
                                   fk_column(rows, fk_reflect(2 * x, width)), fk_column(rows, fk_reflect(2 * x + 1, width)),
                                   fk_column(rows, fk_reflect(2 * x + 2, width)));
    return (fk_pixel)FK_MEAN(sum);
}

#if FK_LANES == 8
#if FK_FLOAT
typedef float16 fk_columns;
#define FK_COLUMNS(pointer) vload16(0, pointer)
#define FK_THIN(sum) FK_MEAN(sum)
#else
typedef ushort16 fk_columns; /* at most 16 * 255, and 256 * 255 + 128 after the second step: no carry */
#define FK_COLUMNS(pointer) convert_ushort16(vload16(0, pointer))
#define FK_THIN(sum) convert_uchar8(FK_MEAN(sum))
#endif

fk_columns fk_column_sums(const fk_rows* rows, const int x) {
    return FK_BINOMIAL(FK_COLUMNS(rows->of[0] + x), FK_COLUMNS(rows->of[1] + x), FK_COLUMNS(rows->of[2] + x),
                       FK_COLUMNS(rows->of[3] + x), FK_COLUMNS(rows->of[4] + x));
}
#endif

/* Level `index` + 1 of the pyramid of a frame from level `index`. */
__kernel void pyramid_halve(const fk_pyramid_shape s, const int index, __global const fk_pixel* frame,
                            __global fk_pixel* levels) {
    const fk_level from = fk_level_of(s, frame, levels, index);
    const fk_level to = fk_level_of(s, frame, levels, index + 1);
    const int x = (int)get_global_id(0) * FK_LANES;
    const int y = (int)get_global_id(1);
    if (x >= to.width || y >= to.height) {
        return;
    }
    fk_rows rows;
    for (int i = 0; i < 5; ++i) {
        rows.of[i] = from.pixels + (size_t)fk_reflect(2 * y - 2 + i, from.height) * from.width;
    }
    __global fk_pixel* row = (__global fk_pixel*)to.pixels + (size_t)y * to.width; /* it stands in `levels` */
#if FK_LANES == 8
    if (x > 0 && 2 * x + 18 <= from.width) {
        const fk_columns left = fk_column_sums(&rows, 2 * x - 2);
        const fk_columns middle = fk_column_sums(&rows, 2 * x);
        const fk_columns right = fk_column_sums(&rows, 2 * x + 2);
        vstore8(FK_THIN(FK_BINOMIAL(left.even, left.odd, middle.even, middle.odd, right.even)), 0, row + x);
        return;
    }
#endif
    for (int i = x; i < min(x + FK_LANES, to.width); ++i) {
        row[i] = fk_halved(&rows, i, from.width);
    }
}
