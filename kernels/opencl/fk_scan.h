/* Running sums over the FK_GROUP work items of a group (a build option; a power of two). FK_GROUP 1 leaves a plain loop. */
#ifndef FK_SCAN_H
#define FK_SCAN_H

#ifndef FK_GROUP
#define FK_GROUP 1
#endif

#if FK_GROUP == 1
#define FK_SCAN_LOCAL(name) __local int* const name = 0
#define fk_scan(value, scratch) (value)
#define fk_scan_total(here, scratch) (here)
#else
#define FK_SCAN_LOCAL(name) __local int name[2 * FK_GROUP]
#define fk_scan_total(here, scratch) ((scratch)[0])

/* The sum of the values of this work item and those before it. Afterwards scratch[0] holds the sum of all, until the next call.
 * Hillis and Steele, "Data parallel algorithms", 1986: log2(FK_GROUP) steps between two halves of the scratch. */
int fk_scan(const int value, __local int* scratch) {
    const int item = (int)get_local_id(0);
    int sum = value;
    int side = 0;
    barrier(CLK_LOCAL_MEM_FENCE); /* the last call's results have been read */
    scratch[item] = sum;
    for (int reach = 1; reach < FK_GROUP; reach *= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item >= reach) {
            sum += scratch[side + item - reach];
        }
        side ^= FK_GROUP;
        scratch[side + item] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == FK_GROUP - 1) {
        scratch[0] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}
#endif

/* By a group: to[y * line], y in [0, height], the sum of from[r * pitch] over r < y - 1: the first column of tilted sums. */
static inline void fk_scan_edge(const int height, __global const int* restrict from, const int pitch, __global int* restrict to,
                                const int line, __local int* scratch) {
    int total = 0;
    for (int first = 0; first <= height; first += FK_GROUP) {
        const int y = first + (int)get_local_id(0);
        const int here = fk_scan(y >= 2 && y <= height ? from[(size_t)(y - 2) * pitch] : 0, scratch);
        if (y <= height) {
            to[(size_t)y * line] = total + here;
        }
        total += fk_scan_total(here, scratch);
    }
}

#endif
