/* Shape of op resize: image [ih, iw, channels] -> [oh, ow, channels]; compiled by C++ and by OpenCL C. */
#ifndef FK_RESIZE_H
#define FK_RESIZE_H

enum { FK_RESIZE_AREA = 0, FK_RESIZE_BILINEAR = 1 };

/* A horizontal sum of more taps than this is a sum of partial sums: its error grows with the count / 64 instead. */
enum { FK_RESIZE_PARTIAL = 64 };

typedef struct fk_resize_shape {
    int ih, iw, channels;
    int oh, ow;
    int method;
    int is_float; /* float32 else uint8 */
} fk_resize_shape;

/* Taps of an output along one axis: source pixels first, first + 1, ..., first + count - 1 with weights
 * head, 1, ..., 1, tail (head alone where count is 1). */
typedef struct fk_resize_taps {
    int first, count;
    float head, tail;
} fk_resize_taps;

#endif
