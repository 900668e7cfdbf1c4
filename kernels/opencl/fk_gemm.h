/* Product of a [m, k] and b into c [m, n]; filled by the op's infer(). */
#ifndef FK_GEMM_H
#define FK_GEMM_H

#include "fk_shapes.h"

typedef struct fk_gemm_shape {
    int m, n, k;
    int transposed; /* b is [n, k], else [k, n] */
    int activation;
    float alpha;
} fk_gemm_shape;

#endif
