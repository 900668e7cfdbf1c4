/* The image as the kernels of a convolution read it on a CPU: a phase of its stride at a time, with its zeros around it. */
#ifndef FK_TAKE_H
#define FK_TAKE_H

#include "fk_common.h"

/* Every `stride`-th of x, `count` of them, in vectors as far as they go; the last vector is read again where fewer are left. */
inline void copy_row(__global const float* restrict x, const int stride, const int count, __global float* restrict to) {
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
    } else if (stride == 2 && count >= 5) {
        /* The first vector is every second from x on, those behind it from the pixel before: none reads past the last one. */
        if (count >= 9) {
            vstore8(vload16(0, x).even, 0, to);
            j = 8;
        } else {
            vstore4(vload8(0, x).even, 0, to);
            j = 4;
        }
        for (; j + 8 <= count; j += 8) {
            vstore8(vload16(0, x + 2 * j - 1).odd, 0, to + j);
        }
        for (; j < count; j += 4) {
            const int at = min(j, count - 4);
            vstore4(vload8(0, x + 2 * at - 1).odd, 0, to + at);
        }
    }
    for (; j < count; ++j) {
        to[j] = x[j * stride];
    }
}

/* Rows of one phase of a plane -> taken [rows][tw]: pixel (i, j) is (top + i stride_h, left + j stride_w) of the image, zeros
 * outside. */
inline void fk_take_rows(const fk_conv2d_shape s, const int top, const int left, const int rows, const int tw,
                         __global const float* restrict x, __global float* restrict taken) {
    /* Pixels [begin, end) of a row are of the image. */
    const int begin = min(left < 0 ? FK_CEIL_DIV(-left, s.stride_w) : 0, tw);
    const int end = left < s.iw ? clamp(FK_CEIL_DIV(s.iw - left, s.stride_w), begin, tw) : begin;
    int at = 0;
    if (begin > 0 || end < tw || top < 0 || top + (rows - 1) * s.stride_h >= s.ih) {
        for (; at + 8 <= rows * tw; at += 8) {
            vstore8((float8)(0.0f), 0, taken + at);
        }
        for (; at < rows * tw; ++at) {
            taken[at] = 0.0f;
        }
    }
    for (int i = 0; i < rows; ++i) {
        const int row = top + i * s.stride_h;
        if (row >= 0 && row < s.ih && begin < end) {
            copy_row(x + (size_t)row * s.iw + left + begin * s.stride_w, s.stride_w, end - begin, taken + i * tw + begin);
        }
    }
}

#endif
