/* conv2d_direct.cl for CPUs, where windows leave the image or step over columns: a work item takes bands of rows of the output, copies
 * what their windows see into its core's cache, with zeros around it, phases apart, and computes all filters of the band there: one
 * launch, and nothing that another core has written, in place of conv2d_take and conv2d_direct. groups is 1.
 *
 * Build options: FK_TILE, FK_VECS, FK_LANES.
 */
#include "fk_direct.h"
#include "fk_take.h"

/* x [n, ic, ih, iw]; packed: from conv2d_pack; scratch: `floats` for each work item, ic phases_h phases_w planes of band + extra
 * rows of tw pixels. Bands of `band` of `rows` rows: an image's, or all that there are, one image's behind those of the one before
 * (`extra` is 0 then). `joined`: a band is one row of positions, since tw is ow; rows or bands hold FK_LANES. */
__kernel __attribute__((vec_type_hint(fk_vec))) void
conv2d_bands(const fk_conv2d_shape s, const int rows, const int band, const int joined, const int floats, const int phases_h,
             const int phases_w, const int extra, const int tw, __global const float* restrict x,
             __global const float* restrict packed, __global const float* residual, __global float* restrict scratch,
             __global float* y) {
    const size_t filter = 1 + (size_t)s.ic * s.kh * s.kw;
    const size_t outputs = (size_t)s.oh * s.ow;
    const int phases = phases_h * phases_w;
    const int th = band + extra;
    const int bands = FK_CEIL_DIV(rows, band);
    const int units = s.n * s.oh / rows * bands;
    const int end = (int)((get_global_id(0) + 1) * units / get_global_size(0));
    __global float* taken = scratch + get_global_id(0) * floats;
    for (int unit = (int)(get_global_id(0) * units / get_global_size(0)); unit < end; ++unit) {
        const int below = unit % bands * band; /* rows before the band's */
        const int count = min(band, rows - below);
        const size_t image = unit / bands * (rows / s.oh) + below / s.oh; /* of the first row */
        const int row = below % s.oh;
        for (int phase = 0; phase < phases; ++phase) {
            const int left = phase % phases_w - s.pad_left;
            const int2 inside_w = fk_inside(left, s.stride_w, tw, s.iw);
            int from = row;
            int here;
            for (int done = 0; done < count; done += here, from = 0) {
                here = min(count - done, s.oh - from);
                const int top = from * s.stride_h + phase / phases_w - s.pad_top;
                const int2 inside_h = fk_inside(top, s.stride_h, here + extra, s.ih);
                __global const float* plane = x + (image + (row + done) / s.oh) * s.ic * s.ih * s.iw;
                __global float* to = taken + phase * th * tw + done * tw;
                for (int c = 0; c < s.ic; ++c, plane += s.ih * s.iw, to += phases * th * tw) {
                    fk_take_rows(s, top, left, here + extra, tw, inside_h, inside_w, plane, to);
                }
            }
        }
        const int parts = joined ? 1 : count;
        const int cols = joined ? count * s.ow : s.ow;
        for (int first = 0; first < s.oc; first += FK_TILE) {
            for (int i = 0; i < parts; ++i) {
                const fk_lines lines = {s.oh * s.ow, s.oh * s.ow, (row + i) * s.ow, s.oc * outputs};
                for (int j = 0; j < cols; j += FK_LANES * FK_VECS) {
                    fk_direct_tile(s, j, FK_LANES, cols, lines, phases_h, phases_w, th, tw, taken + i * tw, packed + first * filter,
                                   min(FK_TILE, s.oc - first), (image * s.oc + first) * outputs, residual, y);
                }
            }
        }
    }
}
