/* Batch normalisation of x [n, c, ih, iw]; filled by the op's infer(). */
#ifndef FK_BATCH_NORM_H
#define FK_BATCH_NORM_H

#include "fk_shapes.h"

typedef struct fk_batch_norm_shape {
    int n, c, ih, iw;
    float epsilon;
    int activation;
    float alpha;
} fk_batch_norm_shape;

#endif
