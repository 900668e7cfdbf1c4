/* The smaller eigenvalue of the mean of g g^T; the formula stands in src/cpp/ops/corners/corners.hpp and reference.cpp, and the
 * order of the operations: of whole grey levels the sums are exact, and eigenvalues that are equal there are equal here.
 *
 * corners_products     (gx^2, gx gy, gy^2, 0) by Sobel's filter
 * corners_eigenvalues  from their sums over the block
 *
 * One work item a pixel. Build options: FK_FLOAT (fk_frame.h).
 */
#include "fk_corners.h"
#include "fk_frame.h"

#pragma OPENCL FP_CONTRACT OFF

__kernel void corners_products(const fk_corners_shape s, __global const fk_pixel* restrict frame,
                               __global float4* restrict products) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const int l = fk_reflect(x - 1, s.width), r = fk_reflect(x + 1, s.width);
    __global const fk_pixel* above = frame + (size_t)fk_reflect(y - 1, s.height) * s.width;
    __global const fk_pixel* here = frame + (size_t)y * s.width;
    __global const fk_pixel* below = frame + (size_t)fk_reflect(y + 1, s.height) * s.width;
    const float a = above[l], b = above[x], c = above[r], d = here[l], e = here[r], f = below[l], g = below[x], h = below[r];
    const float gx = (c - a) + 2 * (e - d) + (h - f);
    const float gy = (f - a) + 2 * (g - b) + (h - c);
    products[(size_t)y * s.width + x] = (float4)(gx * gx, gx * gy, gy * gy, 0);
}

__kernel void corners_eigenvalues(const fk_corners_shape s, __global const float4* restrict products,
                                  __global float* restrict values) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const int before = s.block / 2;
    float4 sum = (float4)(0.0f);
    for (int v = y - before; v < y - before + s.block; ++v) {
        __global const float4* row = products + (size_t)fk_reflect(v, s.height) * s.width;
        for (int u = x - before; u < x - before + s.block; ++u) {
            sum += row[fk_reflect(u, s.width)];
        }
    }
    const float difference = (sum.x - sum.z) / 2;
    const float root = sqrt(difference * difference + sum.y * sum.y);
    values[(size_t)y * s.width + x] = ((sum.x + sum.z) / 2 - root) / (64 * (float)(s.block * s.block));
}
