/* Local response normalisation of x [n, c, ih, iw]; filled by the op's infer(). */
#ifndef FK_LOCAL_RESPONSE_NORM_H
#define FK_LOCAL_RESPONSE_NORM_H

#include "fk_shapes.h"

typedef struct fk_local_response_norm_shape {
    int n, c, ih, iw;
    int size;
    float alpha, beta, k;
} fk_local_response_norm_shape;

#endif
