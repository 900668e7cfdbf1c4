/* A picture whose corners are wanted, as src/cpp/ops/corners/corners.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_CORNERS_H
#define FK_CORNERS_H

typedef struct fk_corners_shape {
    int height, width;
    int is_float; /* float32 else uint8 */
    int block;    /* pixels along a side */
} fk_corners_shape;

#endif
