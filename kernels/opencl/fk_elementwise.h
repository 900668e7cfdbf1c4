/* A function of n arrays of `size` numbers, or of the sums of two such; filled by the op's infer(). */
#ifndef FK_ELEMENTWISE_H
#define FK_ELEMENTWISE_H

#include "fk_shapes.h"

typedef struct fk_elementwise_shape {
    int n, size;
    int inputs; /* 1 or 2 */
    int activation;
    float alpha;
} fk_elementwise_shape;

#endif
