// What one level of a cascade of regression trees is for a kernel. Plain data, no library.
#pragma once

#include <stdint.h>

namespace fk {

enum { trees_padding = 16 }; // elements behind the end of a buffer that a vector may touch

struct TreesLeaf {
    // Whole trees of 2^depth - 1 splits, breadth first: the children of split i are 2i + 1 (left) and 2i + 2.
    const int32_t* pairs;    // [trees, splits]: a | b << 16, the pixels that are compared
    const float* thresholds; // [trees, splits]
    int32_t trees, depth;
    const float* pixels; // what the level looked up
    int32_t* reached;    // scratch [trees + padding]: row of the leaf that each tree ends in
    // Exactly one of the two: leaves are added to `total` tree by tree, or codes are summed into `sums`.
    const float* leaves; // [trees, 2^depth, width]
    const int8_t* codes; // [trees, 2^depth, width], padding behind
    int32_t width;
    float* total;  // [width]
    int32_t* sums; // [width + padding]
};

using TreesKernel = void (*)(const TreesLeaf&);

} // namespace fk
