/* What the kernels over grey frames share: pixels (build option FK_FLOAT 1: float32, 0: uint8), positions mirrored at the
 * border, the levels of a pyramid. */
#ifndef FK_FRAME_H
#define FK_FRAME_H

#include "fk_common.h"
#include "fk_pyramid.h"

#ifndef FK_FLOAT
#define FK_FLOAT 0
#endif

#if FK_FLOAT
typedef float fk_pixel;
#else
typedef uchar fk_pixel;
#endif

/* FK_LANES neighbouring pixels as floats, and as many whole numbers 0, 1, 2, ... */
#if FK_LANES == 1
typedef int fk_ivec;
#define FK_PIXELS(pointer) ((float)*(pointer))
#define FK_RAMP 0
#else
typedef FK_JOIN(int, FK_LANES) fk_ivec;
#define FK_PIXELS(pointer) FK_JOIN(convert_float, FK_LANES)(FK_JOIN(vload, FK_LANES)(0, pointer))
#if FK_LANES == 8
#define FK_RAMP (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#elif FK_LANES == 16
#define FK_RAMP (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#endif
#endif

/* A position outside [0, n) mirrored back at the outermost pixel's centre: -1 stands for 1, n for n - 2. */
int fk_reflect(int i, const int n) {
    while (i < 0 || i >= n) {
        i = n == 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

typedef struct fk_level {
    __global const fk_pixel* pixels;
    int width, height;
} fk_level;

/* Level 0 is the frame; the others stand one behind the other in `levels`, each dense. */
fk_level fk_level_of(const fk_pyramid_shape s, __global const fk_pixel* frame, __global const fk_pixel* levels, const int index) {
    fk_level level = {frame, s.width, s.height};
    for (int l = 1; l <= index; ++l) {
        level.pixels = l == 1 ? levels : level.pixels + (size_t)level.width * level.height;
        level.width = (level.width + 1) / 2;
        level.height = (level.height + 1) / 2;
    }
    return level;
}

#endif
