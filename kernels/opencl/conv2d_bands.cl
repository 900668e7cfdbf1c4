/* conv2d_direct.cl for CPUs, where windows leave the image or step over columns: a work item takes bands of rows of the output, copies
 * what their windows see into its core's cache, with zeros around it, phases apart, and computes all filters of the band there: one
 * launch, and nothing that another core has written, in place of conv2d_take and conv2d_direct. groups is 1.
 *
 * Build options: FK_TILE, FK_VECS, FK_LANES.
 */
#include "fk_direct.h"
#include "fk_take.h"

/* x [n, ic, ih, iw]; packed: from conv2d_pack; scratch: `floats` for each work item, ic phases_h phases_w planes of th x tw pixels.
 * Bands of `band` rows, `bands` an image. `joined`: a band is one row of positions, since tw is ow; rows or bands hold FK_LANES. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
conv2d_bands(const fk_conv2d_shape s, const int band, const int bands, const int joined, const int floats, const int phases_h,
             const int phases_w, const int th, const int tw, __global const float* restrict x,
             __global const float* restrict packed, __global const float* residual, __global float* restrict scratch,
             __global float* y) {
    const size_t filter = 1 + (size_t)s.ic * s.kh * s.kw;
    const int phases = phases_h * phases_w;
    const int units = s.n * bands;
    const int end = (int)((get_global_id(0) + 1) * units / get_global_size(0));
    __global float* taken = scratch + get_global_id(0) * floats;
    for (int unit = (int)(get_global_id(0) * units / get_global_size(0)); unit < end; ++unit) {
        const size_t image = unit / bands;
        const int row = unit % bands * band;
        const int count = min(band, s.oh - row);
        for (int c = 0; c < s.ic; ++c) {
            for (int phase = 0; phase < phases; ++phase) {
                fk_take_rows(s, row * s.stride_h + phase / phases_w - s.pad_top, phase % phases_w - s.pad_left, th - band + count, tw,
                             x + (image * s.ic + c) * s.ih * s.iw, taken + (c * phases + phase) * th * tw);
            }
        }
        const int rows = joined ? 1 : count;
        const int cols = joined ? count * s.ow : s.ow;
        for (int first = 0; first < s.oc; first += FK_TILE) {
            for (int i = 0; i < rows; ++i) {
                const size_t base = (image * s.oc + first) * s.oh * s.ow + (size_t)(row + i) * s.ow;
                for (int j = 0; j < cols; j += FK_LANES * FK_VECS) {
                    fk_direct_tile(s, j, FK_LANES, cols, cols, cols, phases_h, phases_w, th, tw, taken + i * tw,
                                   packed + first * filter, min(FK_TILE, s.oc - first), base, residual, y);
                }
            }
        }
    }
}
