/* Concatenation of `inputs` arrays x_t [n, channels[t], ih, iw] into y [n, c, ih, iw]; filled by the op's device_shape(). */
#ifndef FK_CONCAT_H
#define FK_CONCAT_H

#include "fk_shapes.h"

#define FK_CONCAT_MOST 64

typedef struct fk_concat_shape {
    int n, ih, iw, c;
    int inputs;
    int channels[FK_CONCAT_MOST];
} fk_concat_shape;

#endif
