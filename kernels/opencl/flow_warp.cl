/* A picture sampled along a flow field; the formula stands in src/cpp/ops/flow_warp/flow_warp.hpp, the order of the float32
 * operations in reference.cpp there: the same bits as on the processor, so no multiply-add may be contracted.
 *
 * flow_warp_sample  one work item a pixel; image and result [height, width, channels], dense
 *
 * Build options: FK_FLOAT (fk_frame.h).
 */
#include "fk_flow_warp.h"
#include "fk_frame.h"

#pragma OPENCL FP_CONTRACT OFF

#define FK_UNKNOWN 1e9f /* as in leaf.hpp: motions beyond this, and those that are no number, are unknown */

#if FK_FLOAT
#define FK_PUT(v) (v)
#else
#define FK_PUT(v) (uchar)(int)((v) + 0.5f)
#endif

typedef struct fk_spot {
    int whole;
    float part;
} fk_spot;

/* Two pixels outside the picture are as good as any further. */
fk_spot fk_spot_of(const int at, const float motion, const int n) {
    const float moved = (float)at + motion;
    const float v = (moved<-2 ? -2 : moved>(float)(n + 1) ? (float)(n + 1) : moved) + 2;
    const int whole = (int)v;
    const fk_spot spot = {whole - 2, v - (float)whole};
    return spot;
}

/* A neighbour of weight 0 does not matter, even where it is infinite or no number. */
float fk_blend(const float near, const float far, const float part) { return part > 0 ? near * (1 - part) + far * part : near; }

__kernel void flow_warp_sample(const fk_flow_warp_shape s, __global const fk_pixel* restrict image,
                               __global const float2* restrict flow, __global fk_pixel* restrict result) {
    const int x = (int)get_global_id(0);
    const int y = (int)get_global_id(1);
    if (x >= s.width || y >= s.height) {
        return;
    }
    const size_t at = (size_t)y * s.width + x;
    const float2 motion = flow[at];
    const bool known = fabs(motion.x) <= FK_UNKNOWN && fabs(motion.y) <= FK_UNKNOWN;
    const fk_spot h = fk_spot_of(x, known ? motion.x : 0, s.width), d = fk_spot_of(y, known ? motion.y : 0, s.height);
    for (int c = 0; c < s.channels; ++c) {
        float pixel[4]; /* 00 01 10 11 */
        for (int k = 0; k < 4; ++k) {
            const int column = h.whole + (k & 1), line = d.whole + (k >> 1);
            const bool inside = column >= 0 && column < s.width && line >= 0 && line < s.height;
            const size_t place = (size_t)clamp(line, 0, s.height - 1) * s.width + clamp(column, 0, s.width - 1);
            pixel[k] = inside || s.replicate != 0 ? (float)image[place * s.channels + c] : s.fill;
        }
        const float v = fk_blend(fk_blend(pixel[0], pixel[1], h.part), fk_blend(pixel[2], pixel[3], h.part), d.part);
        result[at * s.channels + c] = FK_PUT(known ? v : s.fill);
    }
}
