/* Softmax of x [n, size, inner] along its middle axis; filled by the op's infer(). */
#ifndef FK_SOFTMAX_H
#define FK_SOFTMAX_H

#include "fk_shapes.h"

typedef struct fk_softmax_shape {
    int n, size, inner;
} fk_softmax_shape;

#endif
