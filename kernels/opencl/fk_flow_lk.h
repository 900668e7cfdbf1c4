/* Points tracked from one pyramid to another, as src/cpp/ops/flow_lk/flow_lk.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_FLOW_LK_H
#define FK_FLOW_LK_H

#include "fk_pyramid.h"

typedef struct fk_flow_lk_shape {
    fk_pyramid_shape frame;
    int points;
    int window;
    int levels; /* those that are larger than the window */
    int iterations;
    float epsilon;
    float min_eigenvalue;
} fk_flow_lk_shape;

#endif
