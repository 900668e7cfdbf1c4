// How int32 sums become bytes. Plain data, shared by the kernels of all 8-bit layers.
//
//   q = clip( round( (float(sum) * multiplier[o] + offset[o]) + float(r) * residual_multiplier ), low, high )
//
// in float32, every operation rounded by itself (no fused multiply-add), ties to even: the same bits everywhere.
#pragma once

#include <stdint.h>

namespace fk {

struct RequantizeLeaf {
    const float* multiplier; // [channels, in whole blocks of 16]
    const float* offset;     // the zero point of y in it
    float residual_multiplier;
    float low, high; // whole numbers in [0, 255]
};

} // namespace fk
