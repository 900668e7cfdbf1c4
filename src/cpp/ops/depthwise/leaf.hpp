// What a depthwise kernel is given: a band of output rows of one plane of B channels, x [ih][iw][B], y [oh][ow][B].
#pragma once

#include <stdint.h>

namespace fk {

struct DepthwiseLeaf {
    const float* x;
    const float* w;        // [kh][kw][B]
    const float* bias;     // [B], never null
    const float* residual; // like y, added before the activation; may be null
    float* y;
    int begin, end; // output rows
    int channels;   // of the plane's B that there are
    int ih, iw, ow;
    int kh, kw, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    int activation;
    float alpha;
};

using DepthwiseKernel = void (*)(const DepthwiseLeaf&);

} // namespace fk
