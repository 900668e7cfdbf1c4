/* Pooling of x [n, c, ih, iw] into y [n, c, oh, ow]; filled by the op's infer(). */
#ifndef FK_POOL_H
#define FK_POOL_H

#include "fk_shapes.h"

enum { FK_POOL_MAX = 0, FK_POOL_AVERAGE = 1, FK_POOL_L2 = 2 };

typedef struct fk_pool_shape {
    int n, c, ih, iw;
    int oh, ow;
    int kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int kind;
    int count_include_pad;
} fk_pool_shape;

#endif
