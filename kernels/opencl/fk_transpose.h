/* FK_LANES vectors of FK_LANES floats as a square whose rows become columns, in registers. */
#ifndef FK_TRANSPOSE_H
#define FK_TRANSPOSE_H

#include "fk_common.h"

#if FK_LANES > 1
/* The lowest bit of the row's number changes places with that of the column's, both numbers turned by a bit: after as many steps
 * as a number has bits, the two have changed places. */
static inline void fk_transpose_step(fk_vec rows[FK_LANES]) {
    fk_vec next[FK_LANES];
#pragma unroll
    for (int k = 0; k < FK_LANES / 2; ++k) {
        next[k] = (fk_vec)(rows[2 * k].even, rows[2 * k + 1].even);
        next[k + FK_LANES / 2] = (fk_vec)(rows[2 * k].odd, rows[2 * k + 1].odd);
    }
#pragma unroll
    for (int k = 0; k < FK_LANES; ++k) {
        rows[k] = next[k];
    }
}
#endif

static inline void fk_transpose(fk_vec rows[FK_LANES]) {
#if FK_LANES >= 2
    fk_transpose_step(rows);
#endif
#if FK_LANES >= 4
    fk_transpose_step(rows);
#endif
#if FK_LANES >= 8
    fk_transpose_step(rows);
#endif
#if FK_LANES >= 16
    fk_transpose_step(rows);
#endif
}

#endif
