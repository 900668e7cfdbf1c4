/* Pointwise functions and sums; the formulas stand in src/cpp/ops/elementwise/elementwise.hpp.
 *
 * elementwise_flat  one work item for FK_LANES numbers; y may be a or b themselves
 *
 * Build options: FK_LANES.
 */
#include "fk_elementwise.h"
#include "fk_store.h"

__kernel __attribute__((vec_type_hint(fk_vec))) void
elementwise_flat(const fk_elementwise_shape s, __global const float* a, __global const float* b, __global float* y) {
    const size_t first = get_global_id(0) * FK_LANES;
    const size_t count = (size_t)s.n * s.size;
    if (first < count) {
        const int lanes = (int)min((size_t)FK_LANES, count - first);
        fk_store_row(fk_load_row(a + first, lanes), b != 0 ? b + first : 0, lanes, s.activation, s.alpha, y + first);
    }
}
