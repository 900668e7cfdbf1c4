/* Fully connected layer of x [n, in] with w [out, in] into y [n, out]; filled by the op's infer(). */
#ifndef FK_DENSE_H
#define FK_DENSE_H

#include "fk_shapes.h"

typedef struct fk_dense_shape {
    int n, in, out;
    int activation;
    float alpha;
    int bfloat16; /* weights rounded to bfloat16: half the bytes, sums in float32 */
} fk_dense_shape;

#endif
