/* Depthwise-separable convolution: a depthwise one and the 1 x 1 convolution that follows; each filled by its op's infer(). */
#ifndef FK_SEPARABLE_H
#define FK_SEPARABLE_H

#include "fk_depthwise.h"

typedef struct fk_separable_shape {
    fk_depthwise_shape first;
    fk_conv2d_shape second;
} fk_separable_shape;

#endif
