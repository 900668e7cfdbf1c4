/* The face cascade; what a window is asked stands in src/cpp/ops/cascade/cascade.hpp, the order of the float32 and float64
 * operations in its reference.cpp: votes have the same bits as the processor's. The plane that the levels of the picture share
 * is described in fk_cascade.h; sums are taken modulo 2^32.
 *
 * cascade_pixels        the levels, bilinear in 1/256 as everywhere: one work item a pixel
 * cascade_row_sums      sums along the rows of all levels: FK_GROUP work items a row
 * cascade_column_sums   then down their columns: one work item a column
 * cascade_diagonals, _edge, _triangles   tilted sums, as in integral.cl
 * cascade_first         the first stages for every window of every level: one work item a window, neighbours read neighbours
 * cascade_visit         of those that pass, the ones that a scan from left to right would come to are put on a list
 * cascade_stages        some stages for the windows on a list; those that stay go on the next list. So work items of a group
 *                       that run together all have a window that is still in, however few there are
 *
 * Build options: FK_GROUP, FK_LBP, FK_STUMPS and those of fk_exact.h.
 */
#include "fk_cascade.h"
#include "fk_exact.h"
#include "fk_scan.h"

/* What the first stages say of a window: rejected by the very first one, out (by a later one, or without contrast), or in. */
enum { FK_WINDOW_OUT = 0, FK_WINDOW_REJECTED = 1, FK_WINDOW_IN = 2 };

/* What a list of found windows holds; the first element's `window` is their number. */
typedef struct fk_found {
    int window, unused;
    double vote;
} fk_found;

__kernel void cascade_clear(__global int* restrict counts, const int lists, __global fk_found* restrict found) {
    const int i = (int)get_global_id(0);
    if (i < lists) {
        counts[i] = 0;
    }
    if (i == 0) {
        found[0].window = 0;
    }
}

int fk_across(__global const uchar* line, const fk_cascade_tap tap, const int last) {
    return line[tap.left] * (256 - tap.weight) + line[min(tap.left + 1, last)] * tap.weight;
}

__kernel void cascade_pixels(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                             __global const fk_cascade_row* restrict rows, __global const fk_cascade_tap* restrict taps,
                             __global const uchar* restrict gray, __global uchar* restrict pixels) {
    const int x = (int)get_global_id(0);
    const int r = (int)get_global_id(1);
    if (r >= s.rows) {
        return;
    }
    const fk_cascade_row row = rows[r];
    if (x >= levels[row.level].width) {
        return;
    }
    const fk_cascade_tap tap = taps[levels[row.level].taps + x];
    const int upper = fk_across(gray + (size_t)row.upper * s.width, tap, s.width - 1);
    const int lower = fk_across(gray + (size_t)min(row.upper + 1, s.height - 1) * s.width, tap, s.width - 1);
    const int sum = upper * (256 - row.weight) + lower * row.weight;
    pixels[levels[row.level].origin + row.y * s.stride + x] = (uchar)((sum + (1 << 15)) >> 16);
}

/* Of the level's images, row y + 1: sums[y + 1][x + 1] of pixels[y][0 .. x]. */
__kernel __attribute__((reqd_work_group_size(FK_GROUP, 1, 1))) void
cascade_row_sums(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                 __global const fk_cascade_row* restrict rows, __global const uchar* restrict pixels, __global int* restrict sums,
                 __global uint* restrict squares) {
    const fk_cascade_row row = rows[get_group_id(1)];
    const int width = levels[row.level].width;
    const int at = levels[row.level].origin + row.y * s.stride;
    const int to = at + s.stride;
    FK_SCAN_LOCAL(scratch);
    int total = 0;
    uint square_total = 0;
    if (get_local_id(0) == 0) {
        sums[to] = 0;
        if (!FK_LBP) {
            squares[to] = 0;
        }
    }
    for (int first = 0; first < width; first += FK_GROUP) {
        const int x = first + (int)get_local_id(0);
        const int p = x < width ? pixels[at + x] : 0;
        const int here = fk_scan(p, scratch);
        if (x < width) {
            sums[to + x + 1] = total + here;
        }
        total += fk_scan_total(here, scratch);
        if (!FK_LBP) {
            const int square = fk_scan(p * p, scratch);
            if (x < width) {
                squares[to + x + 1] = square_total + (uint)square;
            }
            square_total += (uint)fk_scan_total(square, scratch);
        }
    }
}

__kernel void cascade_column_sums(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                                  __global int* restrict sums, __global uint* restrict squares) {
    const int x = (int)get_global_id(0);
    const fk_cascade_level level = levels[get_global_id(1)];
    if (x > level.width) {
        return;
    }
    int at = level.origin + x;
    uint sum = 0;
    uint square = 0;
    sums[at] = 0;
    if (!FK_LBP) {
        squares[at] = 0;
    }
    for (int y = 0; y < level.height; ++y) {
        at += s.stride;
        sum += (uint)sums[at];
        sums[at] = (int)sum;
        if (!FK_LBP) {
            square += squares[at];
            squares[at] = square;
        }
    }
}

/* diagonals: U of integral.cl, at the place of its pixel */
__kernel void cascade_diagonals(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                                __global const uchar* restrict pixels, __global int* restrict diagonals) {
    const int d = (int)get_global_id(0);
    const fk_cascade_level level = levels[get_global_id(1)];
    int sum = 0;
    for (int r = 0; r < level.height && r <= d; ++r) {
        if (d - r < level.width) {
            const int at = level.origin + r * s.stride + d - r;
            sum += pixels[at];
            diagonals[at] = sum;
        }
    }
}

__kernel __attribute__((reqd_work_group_size(FK_GROUP, 1, 1))) void
cascade_edge(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels, __global const int* restrict diagonals,
             __global int* restrict tilted) {
    const fk_cascade_level level = levels[get_group_id(1)];
    FK_SCAN_LOCAL(scratch);
    fk_scan_edge(level.height, diagonals + level.origin, s.stride, tilted + level.origin, s.stride, scratch);
}

__kernel void cascade_triangles(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                                __global const int* restrict diagonals, __global int* restrict tilted) {
    const fk_cascade_level level = levels[get_global_id(1)];
    const int d = (int)get_global_id(0) - level.height;
    if (d > level.width) {
        return;
    }
    int sum = 0;
    if (d > 0) {
        tilted[level.origin + d] = 0;
    }
    for (int y = 1; y <= level.height; ++y) {
        const int x = y + d;
        const int at = level.origin + y * s.stride + x;
        if (x == 0) {
            sum = tilted[at];
        } else if (x > 0 && x <= level.width) {
            const int pixel = at - s.stride - 1;
            sum += diagonals[pixel] + (y >= 2 ? diagonals[pixel - s.stride] : 0);
            tilted[at] = sum;
        }
    }
}

/* ---- Windows. `at` is a window's origin in the plane. ---- */

/* The tables of a cascade and the images that they are asked of. */
typedef struct fk_look {
    __global const fk_cascade_node* nodes;
    __global const fk_cascade_tree* trees;
    __global const fk_cascade_stage* stages;
    __global const float* leaves;
    __global const float* tables;
    __global const int* sums;
    __global const uint* squares;
    __global const int* tilted;
} fk_look;

#define FK_LOOK_ARGUMENTS                                                                                                        \
    __global const fk_cascade_node *restrict nodes, __global const fk_cascade_tree *restrict trees,                              \
        __global const fk_cascade_stage *restrict stages, __global const float *restrict leaves,                                 \
        __global const float *restrict tables, __global const int *restrict sums, __global const uint *restrict squares,         \
        __global const int *restrict tilted
#define FK_LOOK {nodes, trees, stages, leaves, tables, sums, squares, tilted}

int fk_rectangle(__global const int* window, __global const int* corners) {
    return window[corners[0]] - window[corners[1]] - window[corners[2]] + window[corners[3]];
}

bool fk_haar_left(const fk_look* look, __global const fk_cascade_node* n, const int at, const float norm) {
    __global const int* window = (n->tilted != 0 ? look->tilted : look->sums) + at;
    float value = n->weights[0] * (float)fk_rectangle(window, n->corners) +
                  n->weights[1] * (float)fk_rectangle(window, n->corners + 4);
    if (n->rects == 3) {
        value += n->weights[2] * (float)fk_rectangle(window, n->corners + 8);
    }
    return value * norm < n->threshold;
}

#define FK_CELL(i) (grid[i] - grid[(i) + 1] - grid[(i) + 4] + grid[(i) + 5])

/* Eight comparisons with the middle block, clockwise from the upper left. */
int fk_lbp_code(const fk_look* look, __global const fk_cascade_node* n, const int at) {
    __global const int* window = look->sums + at;
    int grid[16];
#pragma unroll
    for (int i = 0; i < 16; ++i) {
        grid[i] = window[n->corners[i]];
    }
    const int middle = FK_CELL(5);
    return (FK_CELL(0) >= middle) << 7 | (FK_CELL(1) >= middle) << 6 | (FK_CELL(2) >= middle) << 5 | (FK_CELL(6) >= middle) << 4 |
           (FK_CELL(10) >= middle) << 3 | (FK_CELL(9) >= middle) << 2 | (FK_CELL(8) >= middle) << 1 | (FK_CELL(4) >= middle);
}

float fk_tree(const fk_look* look, const int t, const int at, const float norm) {
#if FK_STUMPS
    __global const fk_cascade_node* n = look->nodes + t;
    return FK_LBP ? look->tables[n->table + fk_lbp_code(look, n, at)]
                  : (fk_haar_left(look, n, at, norm) ? n->left_value : n->right_value);
#else
    const fk_cascade_tree tree = look->trees[t];
    int i = 0;
    do {
        __global const fk_cascade_node* n = look->nodes + tree.first_node + i;
        const bool left =
            FK_LBP ? look->tables[n->table + fk_lbp_code(look, n, at)] > 0.5f : fk_haar_left(look, n, at, norm);
        i = left ? n->left : n->right;
    } while (i > 0);
    return look->leaves[tree.first_leaf - i];
#endif
}

/* The vote after a stage, from the one before it; false where the window is out. */
bool fk_passes(const fk_cascade_shape s, const fk_look* look, const int stage, const int at, const float norm, double* vote) {
    const fk_cascade_stage st = look->stages[stage];
    double sum = s.cumulative ? *vote : 0.0;
    for (int t = st.first_tree; t < st.first_tree + st.tree_count; ++t) {
        sum += (double)fk_tree(look, t, at, norm);
    }
    *vote = sum;
    return sum >= (double)st.threshold;
}

/* 1 / sqrt(area * squares - sum^2) of the window without its outermost pixels; 0 for a window without contrast. */
float fk_norm(const fk_cascade_shape s, const fk_look* look, const int at) {
    if (FK_LBP) {
        return 1.0f;
    }
    const int a = at + s.stride + 1;
    const int b = a + s.window_width - 2;
    const int c = at + (s.window_height - 1) * s.stride + 1;
    const int d = c + s.window_width - 2;
    const double sum = (double)(look->sums[a] - look->sums[b] - look->sums[c] + look->sums[d]);
    const double squares = (double)(look->squares[a] - look->squares[b] - look->squares[c] + look->squares[d]);
    const double area = (double)((s.window_width - 2) * (s.window_height - 2));
    const double scaled = area * squares - sum * sum;
    if (!(scaled > 0.0)) {
        return 0.0f;
    }
    const float norm = (float)(1.0 / sqrt(scaled));
    return area * (double)norm < 1e-1 ? norm : 0.0f;
}

int fk_place(const fk_cascade_shape s, __global const fk_cascade_level* levels, const fk_cascade_window_row row,
             const int column) {
    return levels[row.level].origin + row.y * s.stride + column * levels[row.level].step;
}

/* Stages 0 to end - 1. first [window_rows, pitch]: FK_WINDOW_... of each; votes, of the same shape: of a cumulative cascade. */
__kernel void cascade_first(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                            __global const fk_cascade_window_row* restrict rows, FK_LOOK_ARGUMENTS, const int end,
                            __global uchar* restrict first, __global double* restrict votes) {
    const int column = (int)get_global_id(0);
    const int r = (int)get_global_id(1);
    if (r >= s.window_rows) {
        return;
    }
    const fk_cascade_window_row row = rows[r];
    if (column >= levels[row.level].columns) {
        return;
    }
    const fk_look look = FK_LOOK;
    const int window = r * s.pitch + column;
    const int at = fk_place(s, levels, row, column);
    const float norm = fk_norm(s, &look, at);
    uchar said = FK_WINDOW_OUT;
    if (norm > 0.0f) {
        double vote = 0.0;
        int stage = 0;
        while (stage < end && fk_passes(s, &look, stage, at, norm, &vote)) {
            ++stage;
        }
        said = stage == end ? FK_WINDOW_IN : stage == 0 ? FK_WINDOW_REJECTED : FK_WINDOW_OUT;
        if (s.cumulative && stage == end) {
            votes[window] = vote;
        }
    }
    first[window] = said;
}

/* A window that the first stage rejects also costs its right neighbour, when a row is scanned from left to right: in a run of
 * rejected windows every second one is visited, and the window behind a run of odd length is not. */
__kernel void cascade_visit(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                            __global const fk_cascade_window_row* restrict rows, __global const uchar* restrict first,
                            volatile __global int* restrict count, __global int* restrict list) {
    const int column = (int)get_global_id(0);
    const int r = (int)get_global_id(1);
    if (r >= s.window_rows || column >= levels[rows[r].level].columns) {
        return;
    }
    const int window = r * s.pitch + column;
    if (first[window] != FK_WINDOW_IN) {
        return;
    }
    int run = 0;
    while (run < column && first[window - run - 1] == FK_WINDOW_REJECTED) {
        ++run;
    }
    if (run % 2 == 0) {
        list[atomic_inc(count)] = window;
    }
}

/* Stages begin to end - 1 for the windows on a list, whose number stands in counts[list_index]; those that stay go to the next
 * list, from the last stage on to `found`, of which `capacity` are kept. votes: of a cumulative cascade, by window. */
__kernel void cascade_stages(const fk_cascade_shape s, __global const fk_cascade_level* restrict levels,
                             __global const fk_cascade_window_row* restrict rows, FK_LOOK_ARGUMENTS, const int begin,
                             const int end, volatile __global int* restrict counts, const int list_index,
                             __global const int* restrict list, __global int* restrict next, __global double* restrict votes,
                             volatile __global fk_found* restrict found, const int capacity) {
    const int count = counts[list_index];
    const fk_look look = FK_LOOK;
    for (int i = (int)get_global_id(0); i < count; i += (int)get_global_size(0)) {
        const int window = list[i];
        const int at = fk_place(s, levels, rows[window / s.pitch], window % s.pitch);
        const float norm = fk_norm(s, &look, at);
        double vote = s.cumulative && begin > 0 ? votes[window] : 0.0;
        int stage = begin;
        while (stage < end && fk_passes(s, &look, stage, at, norm, &vote)) {
            ++stage;
        }
        if (stage < end) {
            continue;
        }
        if (end < s.stages) {
            next[atomic_inc(&counts[list_index + 1])] = window;
            if (s.cumulative) {
                votes[window] = vote;
            }
            continue;
        }
        const int place = atomic_inc((volatile __global int*)found) + 1;
        if (place < capacity) {
            found[place].window = window;
            found[place].vote = vote;
        }
    }
}
