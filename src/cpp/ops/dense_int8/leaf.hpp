// What a dense_int8 kernel is given: some rows of x and one group of outputs. Plain data.
#pragma once

#include <stdint.h>

#include "ops/requantize_leaf.hpp"

namespace fk {

// A group is up to dense_int8_group blocks of 16 outputs whose weights stand together as one stream of bytes:
// [step][blocks][16][4], four inputs a step, or where the kernel multiplies pairs [step][2][blocks][16][2], inputs 0 and 2
// of a step before 1 and 3.
constexpr int dense_int8_group = 8;

struct DenseInt8Leaf {
    const uint8_t* x;
    const int8_t* w;
    const int32_t* start; // [blocks][16]
    RequantizeLeaf requantize;
    uint8_t* y_bytes;     // [rows][blocks][16]; null: the result is
    float* y_floats;      // [rows][outputs], clipped alike but not rounded
    int64_t x_row, y_row; // in bytes, in items
    int rows, steps;
    int outputs, blocks; // of this group
};

using DenseInt8Kernel = void (*)(const DenseInt8Leaf&);

} // namespace fk
