/* Pooling of each plane of x [n, c, ih, iw] into y [n, c]; filled by the op's infer(). */
#ifndef FK_GLOBAL_POOL_H
#define FK_GLOBAL_POOL_H

#include "fk_shapes.h"

enum { FK_GLOBAL_POOL_MAX = 0, FK_GLOBAL_POOL_AVERAGE = 1 };

typedef struct fk_global_pool_shape {
    int n, c, ih, iw;
    int kind;
} fk_global_pool_shape;

#endif
