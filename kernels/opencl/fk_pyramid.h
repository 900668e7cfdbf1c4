/* A grey picture and the pyramid over it, as src/cpp/ops/pyramid/pyramid.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_PYRAMID_H
#define FK_PYRAMID_H

typedef struct fk_pyramid_shape {
    int height, width;
    int is_float; /* float32 else uint8 */
} fk_pyramid_shape;

#endif
