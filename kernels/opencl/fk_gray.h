/* Shape of op gray: rgb [height, width, channels] -> gray [height, width]; compiled by C++ and by OpenCL C. */
#ifndef FK_GRAY_H
#define FK_GRAY_H

typedef struct fk_gray_shape {
    int height, width;
    int channels; /* 3 or 4 */
} fk_gray_shape;

/* Weights of ITU-R BT.601 (0.299, 0.587, 0.114) in units of 2^-16; they sum to 65536, so white stays 255. */
enum { FK_GRAY_RED = 19595, FK_GRAY_GREEN = 38470, FK_GRAY_BLUE = 7471, FK_GRAY_HALF = 32768, FK_GRAY_BITS = 16 };

#endif
