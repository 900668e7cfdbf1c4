// What the steps of dense inverse search are given. Plain data.
//
// Levels are float32 planes with dis_border copies of the outermost pixels above, below and before each row and dis_right
// places behind it, of which the first dis_border are such copies, too; all are readable and finite.
#pragma once

#include <stdint.h>

namespace fk {

constexpr int dis_border = 16, dis_right = 48, dis_patch = 8;

// A row of level 0 from a row of the frame.
struct DisConvert {
    const void* x;
    int is_float;
    float scale;
    int width;
    float* y;
};

// A row of level l + 1 from five of level l, the borders reflected already.
struct DisHalve {
    const void* rows[5];
    int is_float; // float32 else uint8
    float scale;
    int width; // of the rows; (width + 1) / 2 outputs
    float* y;
    float* line; // width + 6 dis_border floats
};

// One row of patches: where each goes, and its share in the motion of the pixels below it.
struct DisSearch {
    const float *from, *to; // pixel (0, 0) of the level in both frames
    int64_t row;
    int width, height;
    const float *coarse_u, *coarse_v; // motion on the level above, or null
    int64_t coarse_row;
    int coarse_width, coarse_height;
    int y, stride, patches, iterations;
    float *sum_u, *sum_v, *sum; // row y: weighted sums, and the weights; eight rows are added to
    int64_t sum_row;
};

// Sums become means.
struct DisDivide {
    float *u, *v;
    const float* weights;
    int width;
};

// A row of the result from two of the finest level that was searched, smaller by 2^halvings.
struct DisExpand {
    const float *upper_u, *upper_v, *lower_u, *lower_v;
    float part; // how far the row lies below the upper one, 0 to 1
    int halvings, width, coarse_width;
    float* lines; // four of width + dis_right
    float* y;     // (u, v), (u, v), ...
};

struct DisKernels {
    void (*convert)(const DisConvert&);
    void (*halve)(const DisHalve&);
    void (*search)(const DisSearch&);
    void (*divide)(const DisDivide&);
    void (*expand)(const DisExpand&);
};

using DisTable = const DisKernels* (*)();

// A position outside [0, n) mirrored back at the outermost pixel's centre: -1 stands for 1, n for n - 2.
static inline int dis_reflect(int i, int n) {
    while (i < 0 || i >= n) {
        i = n == 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

} // namespace fk
