/* Windows that slide over an image: a group keeps the part of the image that its windows reach in local memory, with what lies
 * outside already put in, so that the loops over windows hold no test of the border.
 *
 * A work item computes FK_ROWS rows of FK_LANES outputs side by side. Column c of the tile stands at [row][c % stride][c / stride]:
 * outputs side by side read numbers side by side, whatever the stride.
 *
 * Build option FK_INTERLEAVE 1: neighbouring work items copy neighbouring pixels (one coalesced load on a GPU), 0: whole rows
 * each (what a CPU's compiler makes a copy of).
 */
#ifndef FK_WINDOW_H
#define FK_WINDOW_H

#include "fk_common.h"

#ifndef FK_ROWS
#define FK_ROWS 1
#endif
#ifndef FK_INTERLEAVE
#define FK_INTERLEAVE 0
#endif

/* `rows` rows of the image from `top`; of each the columns from `left`, in `stride` phases of `width`. Only the first `filled`
 * rows and columns of a phase are written: those that outputs of the plane see. */
typedef struct fk_tile {
    int top, left;
    int rows, width, stride;
    int filled_rows, filled_width;
} fk_tile;

/* The tile of this group in a plane of oh x ow outputs; reach: rows and columns that a window spans. */
fk_tile fk_tile_of(const int oh, const int ow, const int stride_h, const int stride_w, const int pad_top, const int pad_left,
                   const int reach_h, const int reach_w) {
    const int rows = (int)get_local_size(1) * FK_ROWS;
    const int columns = (int)get_local_size(0) * FK_LANES;
    const int i = (int)get_group_id(1) * rows;
    const int j = (int)get_group_id(0) * columns;
    const int beyond = (reach_w - 1) / stride_w;
    const fk_tile t = {i * stride_h - pad_top,
                       j * stride_w - pad_left,
                       (rows - 1) * stride_h + reach_h,
                       columns + beyond,
                       stride_w,
                       (min(rows, oh - i) - 1) * stride_h + reach_h,
                       min(columns, ow - j) + beyond};
    return t;
}

int fk_tile_floats(const fk_tile t) { return t.rows * t.stride * t.width; }

/* Copies a row of `width` numbers whose neighbours stand `stride` apart, of which [begin, end) lie inside the image. */
void fk_copy_row(__global const float* restrict from, const int stride, const int begin, const int end, const int width,
                 const float outside, __local float* restrict to) {
    for (int k = 0; k < begin; ++k) {
        to[k] = outside;
    }
    if (stride == 1) {
        for (int k = begin; k < end; ++k) {
            to[k] = from[k];
        }
    } else {
        for (int k = begin; k < end; ++k) {
            to[k] = from[k * stride];
        }
    }
    for (int k = end; k < width; ++k) {
        to[k] = outside;
    }
}

/* One work item of several fills its lines of a tile from a plane [ih, iw]. */
void fk_fill_lines(const fk_tile t, const int ih, const int iw, __global const float* restrict plane, const float outside,
                   const int item, const int items, __local float* restrict tile) {
    for (int line = item; line < t.filled_rows * t.stride; line += items) {
        const int row = t.top + line / t.stride;
        const int first = t.left + line % t.stride;
        const bool inside = row >= 0 && row < ih;
        __local float* to = tile + line * t.width;
#if FK_INTERLEAVE
        for (int k = (int)get_local_id(0); k < t.filled_width; k += (int)get_local_size(0)) {
            const int column = first + k * t.stride;
            to[k] = inside && column >= 0 && column < iw ? plane[(size_t)row * iw + column] : outside;
        }
#else
        /* Column first + k stride lies inside for k from `begin` to below `end`. */
        const int end = inside ? clamp(FK_CEIL_DIV(iw - first, t.stride), 0, t.filled_width) : 0;
        const int begin = min(end, first < 0 ? FK_CEIL_DIV(-first, t.stride) : 0);
        fk_copy_row(plane + (inside ? (long)row * iw + first : 0), t.stride, begin, end, t.filled_width, outside, to);
#endif
    }
}

/* The work items of a layer of the group (along the axes 0 and 1) fill its tile. */
void fk_fill_tile(const fk_tile t, const int ih, const int iw, __global const float* restrict plane, const float outside,
                  __local float* restrict tile) {
#if FK_INTERLEAVE
    fk_fill_lines(t, ih, iw, plane, outside, (int)get_local_id(1), (int)get_local_size(1), tile);
#else
    fk_fill_lines(t, ih, iw, plane, outside, (int)(get_local_id(1) * get_local_size(0) + get_local_id(0)),
                  (int)(get_local_size(1) * get_local_size(0)), tile);
#endif
}

/* Steps through the columns of a window: where in a row of the tile its q-th column stands for the group's first output. */
typedef struct fk_column {
    int phase, at;
} fk_column;

fk_column fk_next_column(const fk_column c, const int dilation, const int stride) {
    fk_column next = {c.phase + dilation % stride, c.at + dilation / stride};
    if (next.phase >= stride) {
        next.phase -= stride;
        next.at += 1;
    }
    return next;
}

#endif
