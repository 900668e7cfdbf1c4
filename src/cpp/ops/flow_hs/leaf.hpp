// What the steps of Horn and Schunck's method are given: one row. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

constexpr int hs_border = 16; // places before and behind each row of a plane that may be read, and before the first of a row
constexpr int hs_room = 32;   // and behind that may be written, too

// gx = Ix / s, gy = Iy / s, gt = It / s, s = sqrt(alpha^2 + Ix^2 + Iy^2), the derivatives as means over 2 x 2 x 2 pixels.
struct HsDerive {
    const void *from, *from_below, *to, *to_below; // rows y and y + 1, or y again on the last
    int is_float;
    float scale, alpha2;
    int width;
    float *gx, *gy, *gt;
};

// u' = mean u - gx (gx mean u + gy mean v + gt), and v'; copies of the outermost pixels stand before and behind each row.
struct HsStep {
    const float *u[3], *v[3]; // rows y - 1 .. y + 1
    const float *gx, *gy, *gt;
    int width;
    float *to_u, *to_v;
};

struct HsKernels {
    void (*derive)(const HsDerive&);
    void (*step)(const HsStep&);
};

using HsTable = const HsKernels* (*)();

} // namespace fk
