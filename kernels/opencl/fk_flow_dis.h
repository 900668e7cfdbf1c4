/* Dense inverse search, as src/cpp/ops/flow_dis/flow_dis.hpp says. Compiled by C++ and by OpenCL C. */
#ifndef FK_FLOW_DIS_H
#define FK_FLOW_DIS_H

#include "fk_flow_refine.h"

typedef struct fk_flow_dis_shape {
    int height, width;
    int is_float; /* float32 else uint8 */
    int coarsest, finest, stride, iterations, refinements;
    float scale; /* grey levels are brought to 0 .. 255 */
    fk_flow_refine_shape refine;
} fk_flow_dis_shape;

#endif
