// The plain meaning of the steps of dense inverse search, as flow_dis.hpp writes them.

#include "base/isa.hpp"
#include "ops/flow_dis/leaf.hpp"

namespace fk::scalar {

const DisKernels* flow_dis_reference();

namespace {

constexpr int side = dis_patch;
constexpr float pixels_of_patch = side * side;

float pixel(const void* row, int is_float, int x) {
    return is_float != 0 ? static_cast<const float*>(row)[x] : static_cast<float>(static_cast<const uint8_t*>(row)[x]);
}

void fill_borders(float* row, int width) {
    for (int i = 0; i < dis_border; ++i) {
        row[-1 - i] = row[0];
        row[width + i] = row[width - 1];
    }
}

void convert(const DisConvert& a) {
    for (int x = 0; x < a.width; ++x) {
        a.y[x] = pixel(a.x, a.is_float, x) * a.scale;
    }
    fill_borders(a.y, a.width);
}

void halve(const DisHalve& a) {
    constexpr float k[5] = {1.0F / 16, 4.0F / 16, 6.0F / 16, 4.0F / 16, 1.0F / 16};
    const int outputs = (a.width + 1) / 2;
    for (int x = 0; x < outputs; ++x) {
        float sum = 0;
        for (int j = 0; j < 5; ++j) {
            const int column = dis_reflect(2 * x + j - 2, a.width);
            for (int i = 0; i < 5; ++i) {
                sum += k[i] * k[j] * pixel(a.rows[i], a.is_float, column);
            }
        }
        a.y[x] = sum * a.scale;
    }
    fill_borders(a.y, outputs);
}

struct Patch {
    int x;
    float i[side][side], gx[side][side], gy[side][side];
    float h11, h12, h22;
};

void open(const DisSearch& a, Patch& p) {
    const float* at = a.from + a.y * a.row + p.x;
    float mean_x = 0, mean_y = 0;
    for (int r = 0; r < side; ++r) {
        for (int c = 0; c < side; ++c) {
            const float* q = at + r * a.row + c;
            p.i[r][c] = q[0];
            p.gx[r][c] = (q[1] - q[-1]) / 2;
            p.gy[r][c] = (q[a.row] - q[-a.row]) / 2;
            mean_x += p.gx[r][c] / pixels_of_patch;
            mean_y += p.gy[r][c] / pixels_of_patch;
        }
    }
    p.h11 = p.h22 = 1e-3F;
    p.h12 = 0;
    for (int r = 0; r < side; ++r) {
        for (int c = 0; c < side; ++c) {
            const float x = p.gx[r][c] -= mean_x;
            const float y = p.gy[r][c] -= mean_y;
            p.h11 += x * x;
            p.h12 += x * y;
            p.h22 += y * y;
        }
    }
}

float within(float v, int low, int high) {
    return v < static_cast<float>(low) ? static_cast<float>(low) : v > static_cast<float>(high) ? static_cast<float>(high) : v;
}

struct Motion {
    float u, v;
};

void differences(const DisSearch& a, const Patch& p, const Motion& m, float (&d)[side][side]) {
    const float x = within(static_cast<float>(p.x) + m.u, -side, a.width - 1);
    const float y = within(static_cast<float>(a.y) + m.v, -side, a.height - 1);
    const int column = static_cast<int>(x + side) - side, line = static_cast<int>(y + side) - side;
    const float right = x - static_cast<float>(column), down = y - static_cast<float>(line);
    for (int r = 0; r < side; ++r) {
        for (int c = 0; c < side; ++c) {
            const float* q = a.to + (line + r) * a.row + column + c;
            const float top = (1 - right) * q[0] + right * q[1];
            const float bottom = (1 - right) * q[a.row] + right * q[a.row + 1];
            d[r][c] = (1 - down) * top + down * bottom - p.i[r][c];
        }
    }
}

Motion from_above(const DisSearch& a, int x) {
    if (a.coarse_u == nullptr) {
        return {0, 0};
    }
    const int row = (a.y + side / 2) / 2, column = (x + side / 2) / 2;
    const int64_t at = (row < a.coarse_height ? row : a.coarse_height - 1) * a.coarse_row +
                       (column < a.coarse_width ? column : a.coarse_width - 1);
    return {2 * a.coarse_u[at], 2 * a.coarse_v[at]};
}

Motion descend(const DisSearch& a, const Patch& p, const Motion& start) {
    Motion at = start, best = start;
    float least = 3e38F;
    const float determinant = p.h11 * p.h22 - p.h12 * p.h12;
    for (int t = 0; t <= a.iterations; ++t) {
        float d[side][side];
        differences(a, p, at, d);
        float sum = 0, squares = 0, x = 0, y = 0;
        for (int r = 0; r < side; ++r) {
            for (int c = 0; c < side; ++c) {
                sum += d[r][c];
                squares += d[r][c] * d[r][c];
                x += p.gx[r][c] * d[r][c];
                y += p.gy[r][c] * d[r][c];
            }
        }
        const float error = squares - sum * sum / pixels_of_patch;
        if (!(error < least)) {
            break;
        }
        least = error;
        best = at;
        at.u -= (p.h22 * x - p.h12 * y) / determinant;
        at.v -= (p.h11 * y - p.h12 * x) / determinant;
    }
    const float du = best.u - start.u, dv = best.v - start.v;
    return du * du + dv * dv <= 64 ? best : start;
}

void search(const DisSearch& a) {
    for (int i = 0; i < a.patches; ++i) {
        Patch p{};
        p.x = i * a.stride;
        open(a, p);
        const Motion m = descend(a, p, from_above(a, p.x));
        float d[side][side];
        differences(a, p, m, d);
        for (int r = 0; r < side; ++r) {
            for (int c = 0; c < side; ++c) {
                const float size = d[r][c] < 0 ? -d[r][c] : d[r][c];
                const float weight = size > 1 ? 1 / size : 1;
                const int64_t at = r * a.sum_row + p.x + c;
                a.sum_u[at] += weight * m.u;
                a.sum_v[at] += weight * m.v;
                a.sum[at] += weight;
            }
        }
    }
}

void divide(const DisDivide& a) {
    for (int x = 0; x < a.width; ++x) {
        a.u[x] /= a.weights[x];
        a.v[x] /= a.weights[x];
    }
    a.u[a.width] = a.u[a.width - 1];
    a.v[a.width] = a.v[a.width - 1];
}

float between(const DisExpand& a, const float* upper, const float* lower, int x) {
    const int apart = 1 << a.halvings;
    const int left = x / apart, right = left + 1 < a.coarse_width ? left + 1 : left;
    const float part = static_cast<float>(x % apart) / static_cast<float>(apart);
    const float top = (1 - part) * upper[left] + part * upper[right], bottom = (1 - part) * lower[left] + part * lower[right];
    return static_cast<float>(apart) * ((1 - a.part) * top + a.part * bottom);
}

void expand(const DisExpand& a) {
    for (int x = 0; x < a.width; ++x) {
        a.y[2 * x] = between(a, a.upper_u, a.lower_u, x);
        a.y[2 * x + 1] = between(a, a.upper_v, a.lower_v, x);
    }
}

constexpr DisKernels table{&convert, &halve, &search, &divide, &expand};

} // namespace

const DisKernels* flow_dis_reference() { return &table; }

} // namespace fk::scalar
