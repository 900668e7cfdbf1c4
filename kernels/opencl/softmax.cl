/* Softmax along the middle axis of x [n, size, inner]; the formula stands in src/cpp/ops/softmax/softmax.hpp.
 *
 * softmax_rows  a team of work items for each row; where rows lie side by side (inner > 1), neighbouring items take neighbours
 *
 * Build options: FK_TEAM (fk_team.h).
 */
#include "fk_softmax.h"
#include "fk_team.h"

__kernel void softmax_rows(const fk_softmax_shape s, __global const float* x, __global float* y, __local float* shared) {
    const size_t row = get_global_id(1);
    const bool exists = row < (size_t)s.n * s.inner;
    const size_t first = exists ? row / s.inner * s.size * s.inner + row % s.inner : 0;
    x += first;
    y += first;
    float most = x[0];
    for (int i = FK_TEAM_ITEM; i < s.size; i += FK_TEAM_ITEMS) {
        const float value = x[(size_t)i * s.inner];
        most = value > most ? value : most;
    }
    most = fk_team_max(most, shared);
    float sum = 0.0f;
    for (int i = FK_TEAM_ITEM; exists && i < s.size; i += FK_TEAM_ITEMS) {
        const float value = exp(x[(size_t)i * s.inner] - most);
        y[(size_t)i * s.inner] = value;
        sum += value;
    }
    sum = fk_team_sum(sum, shared);
    for (int i = FK_TEAM_ITEM; exists && i < s.size; i += FK_TEAM_ITEMS) {
        y[(size_t)i * s.inner] /= sum;
    }
}
