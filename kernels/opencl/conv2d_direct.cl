/* Convolution in register tiles: one work item computes FK_TILE filters times FK_VECS vectors of FK_LANES neighbouring pixels,
 * all sums in registers: a vector of pixels is loaded once for FK_TILE filters, a weight once for all pixels. With 1 x 1 windows
 * it is the product of the weights and the image as a matrix [channels][pixels].
 *
 * The loops hold no test of the image's border and no strides: conv2d_take has put the zeros around the image before and set
 * pixels that windows step over apart, where there are any, and conv2d_pack has laid out the weights so that they are read in
 * order. vec_type_hint keeps a CPU's compiler from taking the vectors apart to make its own from neighbouring work items.
 *
 * On the way (Zen 4, two cores, Intel's runtime, 64 -> 256 filters of 1 x 1 on 56 x 56, 232 GFLOP/s at most): vectors of 16
 * filters times 12 pixels 105 GFLOP/s, whose stores are 16 planes apart; vectors of pixels 150; the place of a vector in the
 * output divided out once for all filters 171 to 181.
 *
 * Build options: FK_LANES 1, 2, 4, 8, 16; FK_VECS; FK_TILE; FK_INTERLEAVE 1: neighbouring work items take neighbouring vectors
 * (one coalesced load on a GPU), 0: a work item's vectors are neighbours (cache lines on a CPU).
 */
#include "fk_direct.h"

#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif

/* x [n, ic, phases_h, phases_w, th, tw]: as it came (one phase), or from conv2d_take.
 * rows x cols positions an image, cols >= FK_LANES: oh x ow; or one row that goes through rows of the output, `wide` positions
 * for each, of which ow are outputs (1 x (oh ow) with wide = ow = oh ow for 1 x 1 windows over whole images). */
__kernel __attribute__((vec_type_hint(fk_vec))) void
conv2d_direct(const fk_conv2d_shape s, const int rows, const int cols, const int wide, const int ow, const int phases_h,
              const int phases_w, const int th, const int tw, __global const float* restrict x,
              __global const float* restrict packed, __global const float* residual, __global float* y) {
    const int ic = s.ic / s.groups;
    const int filters = s.oc / s.groups;
    const int blocks = FK_CEIL_DIV(filters, FK_TILE);
    const int i = (int)get_global_id(1);
    const size_t block = get_global_id(2) % ((size_t)blocks * s.groups);
    const size_t image = get_global_id(2) / ((size_t)blocks * s.groups);
    const int group = (int)(block / blocks);
    const int first = (int)(block % blocks) * FK_TILE;
#if FK_INTERLEAVE
    const int step = (int)get_local_size(0) * FK_LANES;
    const int j = (int)get_group_id(0) * step * FK_VECS + (int)get_local_id(0) * FK_LANES;
#else
    const int step = FK_LANES;
    const int j = (int)get_global_id(0) * (FK_LANES * FK_VECS);
#endif
    if (i >= rows || j >= cols || image >= (size_t)s.n) {
        return;
    }
    const size_t plane = (size_t)phases_h * phases_w * th * tw;
    x += (image * s.ic + (size_t)group * ic) * plane + (size_t)i * tw;
    packed += block * (1 + (size_t)ic * s.kh * s.kw) * FK_TILE;
    const size_t base = (image * s.oc + (size_t)group * filters + first) * s.oh * s.ow + (size_t)i * ow;
    const fk_lines lines = {wide, ow, 0, (size_t)ow};
    fk_direct_tile(s, j, step, cols, lines, phases_h, phases_w, th, tw, x, packed, min(FK_TILE, filters - first), base, residual, y);
}
