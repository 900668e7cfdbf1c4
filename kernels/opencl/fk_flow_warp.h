/* A picture sampled along a flow field, as src/cpp/ops/flow_warp/flow_warp.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_FLOW_WARP_H
#define FK_FLOW_WARP_H

typedef struct fk_flow_warp_shape {
    int height, width, channels;
    int replicate; /* beyond the border: the nearest pixel, else `fill` */
    int is_float;  /* float32 else uint8 */
    float fill;
} fk_flow_warp_shape;

#endif
