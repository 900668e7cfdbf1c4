/* Convolutions on CPUs in runs of tiles: a work item takes FK_TILE tiles of FK_M x FK_M outputs through a whole layer, so that
 * all between x and y stays in its core's cache, in vectors of channels and then of filters.
 *
 * Build options: FK_M; FK_LANES 4, 8, 16; FK_TILE tiles of a run; FK_VECS vectors of filters whose sums stay in registers.
 */
#ifndef FK_RUN_H
#define FK_RUN_H

#include "fk_transpose.h"

#ifndef FK_TILE
#define FK_TILE 1
#endif
#ifndef FK_VECS
#define FK_VECS 1
#endif
#ifndef FK_M
#define FK_M 1
#endif
#define FK_FILTERS (FK_VECS * FK_LANES)
#define FK_OUTPUTS (FK_M * FK_M)
/* Squares of the outputs of a run, the last filled up. */
#define FK_SQUARES FK_CEIL_DIV(FK_TILE* FK_OUTPUTS, FK_LANES)
#define FK_PLANE (FK_SQUARES * FK_LANES)

/* The parts of rows of tiles that a run consists of: image, first row and column of the outputs, tiles; and what they are in y:
 * lines of outputs that follow each other, from place `to` of the first filter on. */
typedef struct fk_parts {
    int count;
    int image[FK_TILE];
    int row[FK_TILE];
    int column[FK_TILE];
    int tiles[FK_TILE];
    int pieces;
    int from[FK_TILE]; /* first tile */
    int lines[FK_TILE];
    int outputs[FK_TILE]; /* of a line */
    size_t to[FK_TILE];
} fk_parts;

static inline void fk_find_parts(const fk_conv2d_shape s, const int first, const int count, fk_parts* parts) {
    const int tiles_x = FK_CEIL_DIV(s.ow, FK_M);
    const int tiles_image = FK_CEIL_DIV(s.oh, FK_M) * tiles_x;
    int found = 0;
    int pieces = 0;
    for (int t = 0; t < count; t += parts->tiles[found++]) {
        const int image = (first + t) / tiles_image;
        const int inside = (first + t) % tiles_image;
        const int row = inside / tiles_x * FK_M;
        const int column = inside % tiles_x * FK_M;
        parts->image[found] = image;
        parts->row[found] = row;
        parts->column[found] = column;
        parts->tiles[found] = min(count - t, tiles_x - inside % tiles_x);
        if (FK_M == 1 && found > 0 && image == parts->image[found - 1]) { /* goes on where the row before ends */
            parts->outputs[pieces - 1] += parts->tiles[found];
            continue;
        }
        parts->from[pieces] = t;
        parts->lines[pieces] = min(FK_M, s.oh - row);
        parts->outputs[pieces] = min(parts->tiles[found] * FK_M, s.ow - column);
        parts->to[pieces++] = ((size_t)image * s.oc * s.oh + row) * s.ow + column;
    }
    parts->count = found;
    parts->pieces = pieces;
}

static inline void fk_run_zeros(const int vectors, __global float* strip) {
    for (int k = 0; k < vectors; ++k) {
        FK_STORE((fk_vec)(0.0f), strip + k * FK_LANES);
    }
}

/* `rows` rows of `width` pixels of a block of channels, from (top, left) on, what lies inside the image -> strip
 * [row][pixel][lane]. x: the block's first plane, `channels` of which exist: lanes beyond hold the last one's pixels. */
static inline void fk_run_strip(const fk_conv2d_shape s, const int channels, const int top, const int left, const int rows,
                                const int width, __global const float* restrict x, __global float* restrict strip) {
    const int pixels = s.ih * s.iw;
    const int end = min(left + width, s.iw);
    for (int row = max(top, 0); row < min(top + rows, s.ih); ++row) {
        for (int column = max(left, 0); column < end; column += FK_LANES) {
            /* Vectors go through rows; the last of the image begins earlier. */
            const int due = row * s.iw + column;
            const int first = min(due, pixels - FK_LANES);
            const int count = min(FK_LANES, end - column);
            fk_vec square[FK_LANES];
#pragma unroll
            for (int k = 0; k < FK_LANES; ++k) {
                square[k] = FK_LOAD(x + (size_t)min(k, channels - 1) * pixels + first);
            }
            fk_transpose(square);
            __global float* to = strip + ((row - top) * width + column - left - (due - first)) * FK_LANES;
#pragma unroll
            for (int k = 0; k < FK_LANES; ++k) {
                if (k >= due - first && k < due - first + count) {
                    FK_STORE(square[k], to + k * FK_LANES);
                }
            }
        }
    }
}

/* For each of `points`, the sums over terms and channels: inputs [point][term][block of channels][tile][lane], packed
 * [point][block of filters][term][ic][FK_FILTERS] from this block of filters on -> products [point][tile][FK_FILTERS]. */
static inline void fk_run_products(const int points, const int terms, const int ic, const size_t packed_point,
                                   __global const float* restrict inputs, __global const float* restrict packed,
                                   __global float* restrict products) {
    for (int point = 0; point < points; ++point, packed += packed_point, products += FK_TILE * FK_FILTERS) {
        __global const float* weight = packed;
        fk_vec sum[FK_TILE][FK_VECS];
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                sum[t][v] = (fk_vec)(0.0f);
            }
        }
        const int blocks = FK_CEIL_DIV(ic, FK_LANES);
        for (int block = 0; block < terms * blocks; ++block, inputs += FK_TILE * FK_LANES) {
            const int channels = min(FK_LANES, ic - block % blocks * FK_LANES);
            for (int k = 0; k < channels; ++k, weight += FK_FILTERS) {
                fk_vec w[FK_VECS];
#pragma unroll
                for (int v = 0; v < FK_VECS; ++v) {
                    w[v] = FK_LOAD(weight + v * FK_LANES);
                }
#pragma unroll
                for (int t = 0; t < FK_TILE; ++t) {
                    const fk_vec input = (fk_vec)(inputs[t * FK_LANES + k]);
#pragma unroll
                    for (int v = 0; v < FK_VECS; ++v) {
                        sum[t][v] = FK_FMA(w[v], input, sum[t][v]);
                    }
                }
            }
        }
#pragma unroll
        for (int t = 0; t < FK_TILE; ++t) {
#pragma unroll
            for (int v = 0; v < FK_VECS; ++v) {
                FK_STORE(sum[t][v], products + t * FK_FILTERS + v * FK_LANES);
            }
        }
    }
}

/* sums + residual in place of `count` sums. */
static inline void fk_add(__global const float* residual, const int count, __global float* sums) {
    int j = 0;
    for (; j + FK_LANES <= count; j += FK_LANES) {
        FK_STORE(FK_LOAD(sums + j) + FK_LOAD(residual + j), sums + j);
    }
#if FK_LANES > 4
    for (; j + 4 <= count; j += 4) {
        vstore4(vload4(0, sums + j) + vload4(0, residual + j), 0, sums + j);
    }
#endif
    for (; j < count; ++j) {
        sums[j] += residual[j];
    }
}

static inline void fk_activate_all(const fk_conv2d_shape s, const int count, __global float* sums) {
    for (int j = 0; j < count; j += FK_LANES) {
        FK_STORE(fk_activate_vec(FK_LOAD(sums + j), s.activation, s.alpha), sums + j);
    }
}

/* `count` neighbouring outputs. A last vector that began earlier would wait: it would span two stores that are still on their
 * way. */
static inline void fk_copy(__global const float* from, const int count, __global float* to) {
    int j = 0;
    for (; j + FK_LANES <= count; j += FK_LANES) {
        FK_STORE(FK_LOAD(from + j), to + j);
    }
#if FK_LANES > 8
    if (j + 8 <= count) {
        vstore8(vload8(0, from + j), 0, to + j);
        j += 8;
    }
#endif
#if FK_LANES > 4
    if (j + 4 <= count) {
        vstore4(vload4(0, from + j), 0, to + j);
        j += 4;
    }
#endif
    for (; j < count; ++j) {
        to[j] = from[j];
    }
}

/* Sums of FK_LANES filters, [row][tile][column], each a vector `step` floats behind the one before, and their bias -> planes
 * [lane][row][tile][column], in squares. The activation as well, where no residual comes before it. */
static inline void fk_run_turn(const fk_conv2d_shape s, const fk_vec bias, const bool finished, const int step,
                               __global const float* restrict sums, __global float* restrict planes) {
    for (int at = 0; at < FK_PLANE; at += FK_LANES, sums += FK_LANES * step) {
        fk_vec square[FK_LANES];
#pragma unroll
        for (int k = 0; k < FK_LANES; ++k) {
            square[k] = FK_LOAD(sums + k * step) + bias;
        }
        fk_transpose(square);
#pragma unroll
        for (int k = 0; k < FK_LANES; ++k) {
            FK_STORE(square[k], planes + k * FK_PLANE + at);
        }
    }
    if (finished && s.activation != FK_ACTIVATION_NONE) {
        fk_activate_all(s, FK_LANES * FK_PLANE, planes);
    }
}

/* planes of filters first ... first + filters - 1 -> y. A filter at a time, whose rows are near to each other: stores that jump
 * from plane to plane wait for a line each. residual may be y. */
static inline void fk_run_store(const fk_conv2d_shape s, const fk_parts* parts, const int first, const int filters,
                                __global float* restrict planes, __global const float* residual, __global float* y) {
    const size_t plane = (size_t)s.oh * s.ow;
    size_t filter = first * plane;
    for (int k = 0; k < filters; ++k, planes += FK_PLANE, filter += plane) {
        if (residual != 0) {
            for (int piece = 0; piece < parts->pieces; ++piece) {
                for (int i = 0; i < parts->lines[piece]; ++i) {
                    fk_add(residual + filter + parts->to[piece] + i * s.ow, parts->outputs[piece],
                           planes + (parts->from[piece] + i * FK_TILE) * FK_M);
                }
            }
            fk_activate_all(s, FK_PLANE, planes);
        }
        for (int piece = 0; piece < parts->pieces; ++piece) {
            for (int i = 0; i < parts->lines[piece]; ++i) {
                fk_copy(planes + (parts->from[piece] + i * FK_TILE) * FK_M, parts->outputs[piece],
                        y + filter + parts->to[piece] + i * s.ow);
            }
        }
    }
}

/* bias [oc] or null -> [filters], zeros where there is no bias or no filter: vectors of it are loaded. */
__kernel void run_bias(const fk_conv2d_shape s, const int filters, __global const float* restrict bias,
                       __global float* restrict whole) {
    const int o = (int)get_global_id(0);
    if (o < filters) {
        whole[o] = bias != 0 && o < s.oc ? bias[o] : 0.0f;
    }
}

/* The end of FK_LANES filters from `filter` on: sums as for fk_run_turn, bias from run_bias; planes: room for FK_LANES FK_PLANE
 * floats. */
static inline void fk_run_finish(const fk_conv2d_shape s, const fk_parts* parts, const int filter, const int step,
                                 __global const float* restrict sums, __global const float* restrict bias,
                                 __global const float* residual, __global float* restrict planes, __global float* y) {
    fk_run_turn(s, FK_LOAD(bias + filter), residual == 0, step, sums, planes);
    fk_run_store(s, parts, filter, min(FK_LANES, s.oc - filter), planes, residual, y);
}

#endif
