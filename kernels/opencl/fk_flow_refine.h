/* A step of the variational refinement, as src/cpp/ops/flow_refine/flow_refine.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_FLOW_REFINE_H
#define FK_FLOW_REFINE_H

typedef struct fk_flow_refine_shape {
    int height, width, sweeps;
    float alpha, delta, gamma, omega;
} fk_flow_refine_shape;

#endif
