// What the kernels between float32 and bytes are given: pixels of 16 channels, or a run of values. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

// Channel c of pixel p stands at bytes[16 p + c] and at floats[c / block * block_step + p * block + c % block]. Channels from
// `channels` (at most 16) on are filled with the zero point in bytes and left alone in floats. A run of `pixels` values
// without channels (block 0) stands in both as it is.
struct QuantizeLeaf {
    float* floats;
    uint8_t* bytes;
    int64_t pixels, block_step;
    int block, channels;
    float scale;   // bytes to floats: (q - zero_point) * scale
    float inverse; // floats to bytes: round(x * inverse + zero_point), clipped to 0..255
    int zero_point;
};

using QuantizeKernel = void (*)(const QuantizeLeaf&);

} // namespace fk
