/* Work items that share one result: the items of a group along axis 0, FK_TEAM 1; a work item of its own, FK_TEAM 0.
 * The number of items is a power of two; `shared` holds a float for each item of the group. */
#ifndef FK_TEAM_H
#define FK_TEAM_H

#include "fk_common.h"

#ifndef FK_TEAM
#define FK_TEAM 0
#endif

#if FK_TEAM
#define FK_TEAM_ITEM ((int)get_local_id(0))
#define FK_TEAM_ITEMS ((int)get_local_size(0))
#else
#define FK_TEAM_ITEM 0
#define FK_TEAM_ITEMS 1
#endif

/* Joins the items' values pairwise; every item of the group comes here. */
#if FK_TEAM
#define FK_DEFINE_TEAM(name, join)                                                                                               \
    float name(const float mine, __local float* shared) {                                                                        \
        __local float* at = shared + get_local_id(1) * get_local_size(0) + get_local_id(0);                                      \
        *at = mine;                                                                                                              \
        for (int apart = (int)get_local_size(0) / 2; apart > 0; apart /= 2) {                                                    \
            barrier(CLK_LOCAL_MEM_FENCE);                                                                                        \
            if ((int)get_local_id(0) < apart) {                                                                                  \
                const float a = *at;                                                                                             \
                const float b = at[apart];                                                                                       \
                *at = join;                                                                                                      \
            }                                                                                                                    \
        }                                                                                                                        \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                            \
        const float joined = shared[get_local_id(1) * get_local_size(0)];                                                        \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                            \
        return joined;                                                                                                           \
    }
#else
#define FK_DEFINE_TEAM(name, join)                                                                                               \
    float name(const float mine, __local float* shared) { return mine; }
#endif

FK_DEFINE_TEAM(fk_team_sum, a + b)
/* NaN if any is. */
FK_DEFINE_TEAM(fk_team_max, b > a || isnan(b) ? b : a)

/* The lanes of a vector joined into one number. */
float fk_lanes_sum(const fk_vec v) {
    float value[FK_LANES];
    FK_STORE(v, value);
    float sum = value[0];
    for (int lane = 1; lane < FK_LANES; ++lane) {
        sum += value[lane];
    }
    return sum;
}

float fk_lanes_max(const fk_vec v) {
    float value[FK_LANES];
    FK_STORE(v, value);
    float most = value[0];
    for (int lane = 1; lane < FK_LANES; ++lane) {
        most = value[lane] > most || isnan(value[lane]) ? value[lane] : most;
    }
    return most;
}

#endif
