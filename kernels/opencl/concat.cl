/* Concatenation along the channels; the formula stands in src/cpp/ops/concat/concat.hpp.
 *
 * concat_copy  one input into its channels of the output: one work item for FK_LANES numbers
 *
 * Build options: FK_LANES.
 */
#include "fk_concat.h"
#include "fk_store.h"

/* x [n, channels, ih, iw] -> channels from `first` of y [n, c, ih, iw] */
__kernel __attribute__((vec_type_hint(fk_vec))) void concat_copy(const fk_concat_shape s, const int channels, const int first,
                                                                 __global const float* restrict x, __global float* restrict y) {
    const size_t pixels = (size_t)s.ih * s.iw;
    const size_t numbers = channels * pixels;
    const size_t at = get_global_id(0) * FK_LANES;
    const size_t image = get_global_id(1);
    if (at < numbers && image < (size_t)s.n) {
        const int lanes = (int)min((size_t)FK_LANES, numbers - at);
        const fk_vec value = fk_load_row(x + image * numbers + at, lanes);
        fk_store_row(value, 0, lanes, FK_ACTIVATION_NONE, 0.0f, y + (image * s.c + first) * pixels + at);
    }
}
