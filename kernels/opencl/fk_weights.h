/* Weights as they stand on the device: float32, or with FK_BFLOAT16 1 the upper halves of float32. */
#ifndef FK_WEIGHTS_H
#define FK_WEIGHTS_H

#include "fk_common.h"

#ifndef FK_BFLOAT16
#define FK_BFLOAT16 0
#endif

#if FK_BFLOAT16
typedef ushort fk_weight;
#define FK_WEIGHT(pointer) as_float((uint) * (pointer) << 16)
#if FK_LANES == 1
#define FK_WEIGHTS(pointer) FK_WEIGHT(pointer)
#else
#define FK_WEIGHTS(pointer)                                                                                                      \
    FK_JOIN(as_float, FK_LANES)(FK_JOIN(convert_uint, FK_LANES)(FK_JOIN(vload, FK_LANES)(0, pointer)) << 16)
#endif
#else
typedef float fk_weight;
#define FK_WEIGHT(pointer) (*(pointer))
#define FK_WEIGHTS(pointer) FK_LOAD(pointer)
#endif

#endif
