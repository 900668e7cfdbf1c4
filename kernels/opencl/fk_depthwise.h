/* Depthwise convolution of x [n, c, ih, iw] with w [oc, 1, kh, kw] into y [n, oc, oh, ow], oc a multiple of c;
 * filled by the op's infer(). */
#ifndef FK_DEPTHWISE_H
#define FK_DEPTHWISE_H

#include "fk_shapes.h"

typedef struct fk_depthwise_shape {
    int n, c, ih, iw;
    int oc, oh, ow;
    int kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int dilation_h, dilation_w;
    int activation;
    float alpha;
} fk_depthwise_shape;

#endif
