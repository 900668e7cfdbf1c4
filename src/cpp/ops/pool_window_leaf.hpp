// The windows of a pool as its kernels take them, and those of the layers that pool what they make. Plain data.
#pragma once

namespace fk {

// Window p x q begins in row p * stride_h - pad_top and column q * stride_w - pad_left of an image of ih x iw cells.
struct PoolWindow {
    int ih, iw, ow;
    int kh, kw, stride_h, stride_w, pad_top, pad_left;
    int inner, outer; // outputs of a row in [inner, outer) see all columns of their windows
};

enum PoolKind { pool_max, pool_average, pool_l2 };

} // namespace fk
