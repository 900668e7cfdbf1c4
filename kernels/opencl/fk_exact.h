/* For kernels whose results have the same bits as the processor's: each operation is rounded by itself.
 *
 * Build options: FK_FP64 1: the device has float64. FK_EXACT_DIVISION 1: it divides float32 with one rounding; elsewhere the
 * quotient is taken in float64, whose rounding to float32 is that of the exact quotient (53 >= 2 * 24 + 2 bits).
 */
#ifndef FK_EXACT_H
#define FK_EXACT_H

#pragma OPENCL FP_CONTRACT OFF

#ifndef FK_FP64
#define FK_FP64 0
#endif
#ifndef FK_EXACT_DIVISION
#define FK_EXACT_DIVISION 0
#endif

#if FK_FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

#if FK_FP64 && !FK_EXACT_DIVISION
#define FK_DIVIDE(a, b) ((float)((double)(a) / (double)(b)))
#else
#define FK_DIVIDE(a, b) ((a) / (b))
#endif

/* Pixels are uint8, or float32 under FK_PIXEL_FLOAT 1. uint8 results are floor(v + 1/2). */
#ifndef FK_PIXEL_FLOAT
#define FK_PIXEL_FLOAT 0
#endif

#if FK_PIXEL_FLOAT
typedef float fk_pixel;
#define FK_PUT(v) (v)
#else
typedef uchar fk_pixel;
#define FK_PUT(v) ((uchar)min((int)((v) + 0.5f), 255))
#endif

#endif
