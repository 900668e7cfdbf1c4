/* The image as the kernels of a convolution read it on a CPU: a phase of its stride at a time, with its zeros around it. */
#ifndef FK_TAKE_H
#define FK_TAKE_H

#include "fk_common.h"

/* Every `stride`-th of x, `count` of them, in vectors as far as they go; the last vector is read again where fewer are left. */
static inline void copy_row(__global const float* restrict x, const int stride, const int count, __global float* restrict to) {
    int j = 0;
    if (stride == 1 && count >= 8) {
        for (; j < count; j += 8) {
            const int at = min(j, count - 8);
            vstore8(vload8(0, x + at), 0, to + at);
        }
    } else if (stride == 1 && count >= 4) {
        for (; j < count; j += 4) {
            const int at = min(j, count - 4);
            vstore4(vload4(0, x + at), 0, to + at);
        }
    } else if (stride == 2 && count > 8) {
        /* The first vector is every second from x on, those behind it from the pixel before: none reads past the last one. */
        vstore8(vload16(0, x).even, 0, to);
        for (j = 8; j < count; j += 8) {
            const int at = min(j, count - 8);
            vstore8(vload16(0, x + 2 * at - 1).odd, 0, to + at);
        }
    }
    for (; j < count; ++j) {
        to[j] = x[j * stride];
    }
}

/* Which of `count` places first, first + stride, ... are of [0, size): those from .x to before .y. */
static inline int2 fk_inside(const int first, const int stride, const int count, const int size) {
    const int begin = first < 0 ? min(FK_CEIL_DIV(-first, stride), count) : 0;
    return (int2)(begin, first < size ? clamp(FK_CEIL_DIV(size - first, stride), begin, count) : begin);
}

/* Rows of one phase of a plane -> taken [rows][tw]: pixel (i, j) is (top + i stride_h, left + j stride_w) of the image, zeros
 * outside; `inside_h` and `inside_w` are fk_inside's. */
static inline void fk_take_rows(const fk_conv2d_shape s, const int top, const int left, const int rows, const int tw,
                                const int2 inside_h, const int2 inside_w, __global const float* restrict x,
                                __global float* restrict taken) {
    const int count = inside_w.y - inside_w.x;
    const int here = count > 0 ? inside_h.y - inside_h.x : 0;
    if (here * count < rows * tw) {
        int at = 0;
        for (; at + 8 <= rows * tw; at += 8) {
            vstore8((float8)(0.0f), 0, taken + at);
        }
        for (; at < rows * tw; ++at) {
            taken[at] = 0.0f;
        }
    }
    x += (top + inside_h.x * s.stride_h) * s.iw + left + inside_w.x * s.stride_w;
    taken += inside_h.x * tw + inside_w.x;
    const int step = s.stride_h * s.iw;
    if (s.stride_w == 2 && count > 4 && count <= 8) {
        /* As copy_row would, which asks of each row what it is: three times as long, where rows are short. */
        for (int i = 0; i < here; ++i, x += step, taken += tw) {
            vstore4(vload8(0, x).even, 0, taken);
            vstore4(vload8(0, x + 2 * count - 9).odd, 0, taken + count - 4);
        }
    } else {
        for (int i = 0; i < here; ++i, x += step, taken += tw) {
            copy_row(x, s.stride_w, count, taken);
        }
    }
}

#endif
