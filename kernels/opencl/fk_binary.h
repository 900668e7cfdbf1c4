/* The resolved shape of a binary convolution; see fk_shapes.h for the rules of such structs. */
#ifndef FK_BINARY_H
#define FK_BINARY_H

/* Signs of x [n, c, ih, iw] against those of w [oc, c, kh, kw], into y [n, oc, oh, ow]. */
typedef struct fk_binary_shape {
    int n, c, ih, iw;
    int oc, oh, ow;
    int kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_left;
} fk_binary_shape;

#endif
