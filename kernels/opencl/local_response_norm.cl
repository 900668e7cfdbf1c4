/* Local response normalisation; the formula stands in src/cpp/ops/local_response_norm/local_response_norm.hpp. Dense NCHW.
 *
 * local_response_norm_direct  one work item for each number; neighbouring items take neighbouring pixels
 */
#include "fk_common.h"
#include "fk_local_response_norm.h"

__kernel void local_response_norm_direct(const fk_local_response_norm_shape s, __global const float* restrict x,
                                         __global float* restrict y) {
    const size_t pixels = (size_t)s.ih * s.iw;
    const size_t pixel = get_global_id(0);
    const int c = (int)get_global_id(1);
    const size_t image = get_global_id(2);
    if (pixel >= pixels || c >= s.c || image >= (size_t)s.n) {
        return;
    }
    x += image * s.c * pixels + pixel;
    float sum = 0.0f;
    for (int near = max(0, c - s.size / 2); near <= min(s.c - 1, c + (s.size - 1) / 2); ++near) {
        const float value = x[near * pixels];
        sum = FK_FMA(value, value, sum);
    }
    const float divisor = FK_FMA(s.alpha / (float)s.size, sum, s.k);
    y[(image * s.c + c) * pixels + pixel] = x[c * pixels] * pow(divisor, -s.beta);
}
