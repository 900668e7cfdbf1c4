/* Shape of op integral: gray [height, width] -> sums [height + 1, width + 1]; compiled by C++ and by OpenCL C. */
#ifndef FK_INTEGRAL_H
#define FK_INTEGRAL_H

typedef struct fk_integral_shape {
    int height, width;
    int squared, tilted; /* 1: those sums, too */
} fk_integral_shape;

#endif
