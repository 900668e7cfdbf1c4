/* Windows that slide over an image: a group keeps the part of the image that its windows reach in local memory, with what lies
 * outside already put in, so that the loops over windows hold no test of the border.
 *
 * A group computes FK_ROWS rows for each of its items along axis 1, and some columns, which its items along axis 0 share: on a
 * GPU one item a column, on a CPU one item for all, in vectors of FK_LANES. Column c of the tile stands at [row][c % stride][c /
 * stride]: outputs side by side read numbers side by side, whatever the stride.
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

/* The tile of this group, `columns` wide, in a plane of oh x ow outputs; reach: rows and columns that a window spans. */
fk_tile fk_tile_of(const int columns, const int oh, const int ow, const int stride_h, const int stride_w, const int pad_top,
                   const int pad_left, const int reach_h, const int reach_w) {
    const int rows = (int)get_local_size(1) * FK_ROWS;
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

#if FK_INTERLEAVE
/* One work item of several fills its lines of a tile from a plane [ih, iw]. */
void fk_fill_lines(const fk_tile t, const int ih, const int iw, __global const float* restrict plane, const float outside,
                   const int item, const int items, __local float* restrict tile) {
    for (int line = item; line < t.filled_rows * t.stride; line += items) {
        const int row = t.top + line / t.stride;
        const int first = t.left + line % t.stride;
        const bool inside = row >= 0 && row < ih;
        for (int k = (int)get_local_id(0); k < t.filled_width; k += (int)get_local_size(0)) {
            const int column = first + k * t.stride;
            tile[line * t.width + k] = inside && column >= 0 && column < iw ? plane[(size_t)row * iw + column] : outside;
        }
    }
}
#else
/* Numbers [begin, end) of a phase whose first is column `first` of a row. */
void fk_copy_phase(__global const float* restrict row, const int iw, const int first, const int stride, const int begin,
                   const int end, const float outside, __local float* restrict to) {
    for (int k = begin; k < end; ++k) {
        const int column = first + k * stride;
        to[k] = column >= 0 && column < iw ? row[column] : outside;
    }
}

/* The phases of a row of the image. Strides of 1 and 2 in vectors, of which the last may overlap the one before. */
void fk_copy_row(__global const float* restrict row, const int iw, const fk_tile t, const float outside,
                 __local float* restrict to) {
    int done = 0; /* numbers of each phase */
    if (t.stride == 1) {
        const int begin = clamp(-t.left, 0, t.filled_width);
        const int end = min(t.filled_width, iw - t.left);
        if (end - begin >= FK_LANES) {
            fk_copy_phase(row, iw, t.left, 1, 0, begin, outside, to);
            for (int k = begin; k < end; k += FK_LANES) {
                const int at = min(k, end - FK_LANES);
                FK_STORE(FK_LOAD(row + t.left + at), to + at);
            }
            done = end;
        }
    }
#if FK_LANES == 8
    if (t.stride == 2) {
        const int begin = clamp((1 - t.left) / 2, 0, t.filled_width);
        const int end = min(t.filled_width, (iw - t.left) / 2);
        if (end - begin >= 8) {
            fk_copy_phase(row, iw, t.left, 2, 0, begin, outside, to);
            fk_copy_phase(row, iw, t.left + 1, 2, 0, begin, outside, to + t.width);
            for (int k = begin; k < end; k += 8) {
                const int at = min(k, end - 8);
                const float16 pairs = vload16(0, row + t.left + 2 * at);
                vstore8(pairs.even, 0, to + at);
                vstore8(pairs.odd, 0, to + t.width + at);
            }
            done = end;
        }
    }
#endif
    for (int phase = 0; phase < t.stride; ++phase) {
        fk_copy_phase(row, iw, t.left + phase, t.stride, done, t.filled_width, outside, to + phase * t.width);
    }
}

/* One work item of several fills its rows of a tile from a plane [ih, iw]. */
void fk_fill_lines(const fk_tile t, const int ih, const int iw, __global const float* restrict plane, const float outside,
                   const int item, const int items, __local float* restrict tile) {
    for (int line = item; line < t.filled_rows; line += items) {
        const int row = t.top + line;
        __local float* to = tile + line * t.stride * t.width;
        if (row >= 0 && row < ih) {
            fk_copy_row(plane + (size_t)row * iw, iw, t, outside, to);
        } else {
            for (int k = 0; k < t.stride * t.width; ++k) {
                to[k] = outside;
            }
        }
    }
}
#endif

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
typedef struct fk_columns {
    int at;           /* that place */
    int phase, width; /* what of it is the phase */
    int stride, dilation, rest;
} fk_columns;

fk_columns fk_first_column(const fk_tile t, const int dilation) {
    const fk_columns c = {0, 0, t.width, t.stride, dilation / t.stride, dilation % t.stride};
    return c;
}

void fk_next_column(fk_columns* c) {
    c->at += c->dilation + c->rest * c->width;
    c->phase += c->rest;
    if (c->phase >= c->stride) {
        c->phase -= c->stride;
        c->at += 1 - c->stride * c->width;
    }
}

#endif
