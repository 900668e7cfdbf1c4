// What the steps of the variational refinement are given: rows of one level. Plain data.
//
// A plane is a row-major float32 picture with refine_left readable places before each row and refine_right behind it;
// whatever stands there is finite.
#pragma once

#include <stdint.h>

namespace fk {

constexpr int refine_left = 16, refine_right = 48;

// mean = (I0 + W) / 2 and difference = W - I0, where W(x) = I1(x + u(x)), bilinear, positions beyond the border moved onto it.
struct RefineWarp {
    const float* from; // row y of I0
    const float* to;   // pixel (0, 0) of I1; the pixels right of the last column and below the last row are readable
    int64_t to_row;
    const float *u, *v; // row y
    int y, width, height;
    float *mean, *difference; // row y; the two places before it and behind it become copies of the outermost pixels
};

// smoothness = alpha / 2 / sqrt(|grad u|^2 + |grad v|^2 + epsilon^2), differences forward, 0 beyond the border.
struct RefineSmooth {
    const float *u, *v;             // row y; the place behind its end holds a copy of the last pixel
    const float *below_u, *below_v; // row y + 1
    int width;
    float half_alpha, epsilon2;
    float* smoothness;
};

// One row of unknowns and of the linear system for them, columns split by parity: [0] even, [1] odd.
struct RefineRow {
    float *u[2], *v[2];
    float *m11[2], *m12[2], *m22[2]; // inverse of the pixel's 2 x 2 matrix, times omega
    float *b1[2], *b2[2];            // right side
    float *across[2], *down[2];      // weights of the edges to the next column and the next row
};

struct RefineSystem {
    const float* mean[5];       // rows y - 2 .. y + 2
    const float* difference[3]; // rows y - 1 .. y + 1
    const float *u, *v;         // row y
    const float *smoothness, *smoothness_below;
    const float* down_above[2]; // `down` of the row above, zeros on the first
    int width, last_row;        // last_row: nothing below
    float gamma, delta, epsilon2, zeta2, hold, omega;
    RefineRow to; // its unknowns are set to u, v
};

// One half of a sweep of successive over-relaxation: the pixels of one parity.
struct RefineRelax {
    RefineRow row;
    const float *above_u, *above_v, *below_u, *below_v; // of that parity
    const float* down_above;
    int parity, count; // pixels of that parity
    float omega;
};

// Both parities put together again.
struct RefineMerge {
    RefineRow row;
    float *u, *v; // the place behind the end becomes a copy of the last pixel
    int width;
};

struct RefineKernels {
    void (*warp)(const RefineWarp&);
    void (*smooth)(const RefineSmooth&);
    void (*system)(const RefineSystem&);
    void (*relax)(const RefineRelax&);
    void (*merge)(const RefineMerge&);
};

using RefineTable = const RefineKernels* (*)();

} // namespace fk
