// The plain meaning of the two steps, as flow_hs.hpp writes them.

#include "base/isa.hpp"
#include "ops/flow_hs/leaf.hpp"

namespace fk::scalar {

const HsKernels* flow_hs_reference();

namespace {

template <class T> void derive_as(const HsDerive& a) {
    for (int x = 0; x < a.width; ++x) {
        const int right = x + 1 < a.width ? x + 1 : x;
        const auto at = [&](const void* row, int column) {
            return a.scale * static_cast<float>(static_cast<const T*>(row)[column]);
        };
        const float p00 = at(a.from, x), p01 = at(a.from, right), p10 = at(a.from_below, x), p11 = at(a.from_below, right);
        const float q00 = at(a.to, x), q01 = at(a.to, right), q10 = at(a.to_below, x), q11 = at(a.to_below, right);
        const float ix = ((p01 - p00) + (p11 - p10) + (q01 - q00) + (q11 - q10)) / 4;
        const float iy = ((p10 - p00) + (p11 - p01) + (q10 - q00) + (q11 - q01)) / 4;
        const float it = ((q00 - p00) + (q01 - p01) + (q10 - p10) + (q11 - p11)) / 4;
        const float s = __builtin_sqrtf(a.alpha2 + ix * ix + iy * iy);
        a.gx[x] = ix / s;
        a.gy[x] = iy / s;
        a.gt[x] = it / s;
    }
}

void derive(const HsDerive& a) {
    if (a.is_float != 0) {
        derive_as<float>(a);
    } else {
        derive_as<uint8_t>(a);
    }
}

float mean(const float* const* rows, int x) {
    const float sides = rows[0][x] + rows[2][x] + rows[1][x - 1] + rows[1][x + 1];
    const float corners = rows[0][x - 1] + rows[0][x + 1] + rows[2][x - 1] + rows[2][x + 1];
    return sides / 6 + corners / 12;
}

void step(const HsStep& a) {
    for (int x = 0; x < a.width; ++x) {
        const float u = mean(a.u, x), v = mean(a.v, x);
        const float r = a.gx[x] * u + a.gy[x] * v + a.gt[x];
        a.to_u[x] = u - a.gx[x] * r;
        a.to_v[x] = v - a.gy[x] * r;
    }
    a.to_u[-1] = a.to_u[0];
    a.to_v[-1] = a.to_v[0];
    a.to_u[a.width] = a.to_u[a.width - 1];
    a.to_v[a.width] = a.to_v[a.width - 1];
}

constexpr HsKernels table{&derive, &step};

} // namespace

const HsKernels* flow_hs_reference() { return &table; }

} // namespace fk::scalar
