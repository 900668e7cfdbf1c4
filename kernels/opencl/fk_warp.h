/* Shape of op warp: image [ih, iw, channels] -> [count, oh, ow, channels]; compiled by C++ and by OpenCL C. */
#ifndef FK_WARP_H
#define FK_WARP_H

enum { FK_WARP_CONSTANT = 0, FK_WARP_REPLICATE = 1 };

/* Neighbouring outputs of a row that step from one origin. */
enum { FK_WARP_RUN = 64 };

typedef struct fk_warp_shape {
    int ih, iw, channels;
    int count, oh, ow;
    int border;
    float fill;
    int antialias;
    int is_float; /* float32 else uint8 */
} fk_warp_shape;

/* Where the first output of a run samples the source: an integer part and the rest, so that float32 steps from there
 * stay exact enough at any position in a large picture. */
typedef struct fk_warp_origin {
    int column, row;
    float x, y;
} fk_warp_origin;

/* One picture of a warp on a device: across * down samples an output, their steps from one output to the next. The origin
 * of sample s of run r in row i stands at first + (i * runs + r) * across * down + s. */
typedef struct fk_warp_view {
    int across, down;
    int first;
    float step_x, step_y;
} fk_warp_view;

#endif
