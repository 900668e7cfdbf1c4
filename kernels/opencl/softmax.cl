/* Softmax along the middle axis of x [n, size, inner]; the formula stands in src/cpp/ops/softmax/softmax.hpp.
 *
 * softmax_rows  a team of work items for each row, in vectors of FK_LANES where its numbers stand side by side (inner = 1); where
 *               rows lie side by side, neighbouring items take neighbours
 *
 * Build options: FK_LANES, FK_TEAM (fk_team.h).
 */
#include "fk_softmax.h"
#include "fk_team.h"

__kernel void softmax_rows(const fk_softmax_shape s, __global const float* x, __global float* y, __local float* shared) {
    const size_t row = get_global_id(1);
    const bool exists = row < (size_t)s.n * s.inner;
    const size_t first = exists ? row / s.inner * s.size * s.inner + row % s.inner : 0;
    const int size = exists ? s.size : 0;
    const int whole = s.inner == 1 ? size / FK_LANES * FK_LANES : 0; /* numbers in vectors */
    x += first;
    y += first;
    fk_vec mosts = (fk_vec)(x[0]);
    for (int i = FK_TEAM_ITEM * FK_LANES; i < whole; i += FK_TEAM_ITEMS * FK_LANES) {
        const fk_vec value = FK_LOAD(x + i);
        mosts = select(mosts, value, value > mosts);
    }
    float most = fk_lanes_max(mosts);
    for (int i = whole + FK_TEAM_ITEM; i < size; i += FK_TEAM_ITEMS) {
        const float value = x[(size_t)i * s.inner];
        most = value > most ? value : most;
    }
    most = fk_team_max(most, shared);
    fk_vec sums = (fk_vec)(0.0f);
    for (int i = FK_TEAM_ITEM * FK_LANES; i < whole; i += FK_TEAM_ITEMS * FK_LANES) {
        const fk_vec value = exp(FK_LOAD(x + i) - most);
        FK_STORE(value, y + i);
        sums += value;
    }
    float sum = fk_lanes_sum(sums);
    for (int i = whole + FK_TEAM_ITEM; i < size; i += FK_TEAM_ITEMS) {
        const float value = exp(x[(size_t)i * s.inner] - most);
        y[(size_t)i * s.inner] = value;
        sum += value;
    }
    sum = fk_team_sum(sum, shared);
    for (int i = FK_TEAM_ITEM * FK_LANES; i < whole; i += FK_TEAM_ITEMS * FK_LANES) {
        FK_STORE(FK_LOAD(y + i) / sum, y + i);
    }
    for (int i = whole + FK_TEAM_ITEM; i < size; i += FK_TEAM_ITEMS) {
        y[(size_t)i * s.inner] /= sum;
    }
}
