/* What the device kernels share: vectors of FK_LANES floats (a build option), the activations, multiply-add. */
#ifndef FK_COMMON_H
#define FK_COMMON_H

#include "fk_shapes.h"

#ifndef FK_LANES
#define FK_LANES 1
#endif

#define FK_JOIN_(a, b) a##b
#define FK_JOIN(a, b) FK_JOIN_(a, b)

#if FK_LANES == 1
typedef float fk_vec;
#define FK_LOAD(pointer) (*(pointer))
#define FK_STORE(value, pointer) (*(pointer) = (value))
#else
typedef FK_JOIN(float, FK_LANES) fk_vec;
#define FK_LOAD(pointer) FK_JOIN(vload, FK_LANES)(0, pointer)
#define FK_STORE(value, pointer) FK_JOIN(vstore, FK_LANES)(value, 0, pointer)
#endif

/* One rounding where the device has the instruction, two where fma() would be a library call. */
#ifdef FP_FAST_FMAF
#define FK_FMA(a, b, c) fma(a, b, c)
#else
#define FK_FMA(a, b, c) ((a) * (b) + (c))
#endif

#define FK_CEIL_DIV(a, b) (((a) + (b) - 1) / (b))

/* Comparisons are written so that NaN passes through, as on the processor. */
#define FK_DEFINE_ACTIVATE(name, type)                                                                                           \
    type name(const type x, const int kind, const float alpha) {                                                                 \
        const type zero = (type)(0.0f);                                                                                          \
        const type one = (type)(1.0f);                                                                                           \
        const type six = (type)(6.0f);                                                                                           \
        switch (kind) {                                                                                                          \
        case FK_ACTIVATION_RELU:                                                                                                 \
            return select(x, zero, x < zero);                                                                                    \
        case FK_ACTIVATION_RELU6:                                                                                                \
            return select(select(x, zero, x < zero), six, x > six);                                                              \
        case FK_ACTIVATION_LEAKY_RELU:                                                                                           \
            return select(x, alpha * x, x < zero);                                                                               \
        case FK_ACTIVATION_SIGMOID:                                                                                              \
            return one / (one + exp(-x));                                                                                        \
        case FK_ACTIVATION_TANH:                                                                                                 \
            return tanh(x);                                                                                                      \
        case FK_ACTIVATION_HARD_SWISH: {                                                                                         \
            const type shifted = x + 3.0f;                                                                                       \
            return x * select(select(shifted, zero, shifted < zero), six, shifted > six) * (1.0f / 6.0f);                        \
        }                                                                                                                        \
        case FK_ACTIVATION_SILU:                                                                                                 \
            return x / (one + exp(-x));                                                                                          \
        case FK_ACTIVATION_ELU:                                                                                                  \
            return select(x, alpha * expm1(x), x < zero);                                                                        \
        default:                                                                                                                 \
            return x;                                                                                                            \
        }                                                                                                                        \
    }

FK_DEFINE_ACTIVATE(fk_activate, float)
#if FK_LANES == 1
#define fk_activate_vec fk_activate
#else
FK_DEFINE_ACTIVATE(fk_activate_vec, fk_vec)
#endif

#endif
