/* Flow by Horn and Schunck, as src/cpp/ops/flow_hs/flow_hs.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_FLOW_HS_H
#define FK_FLOW_HS_H

typedef struct fk_flow_hs_shape {
    int height, width, iterations;
    int is_float; /* float32 else uint8 */
    float alpha, scale;
} fk_flow_hs_shape;

#endif
