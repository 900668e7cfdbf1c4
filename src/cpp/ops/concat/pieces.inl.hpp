// Concatenation on blocked channels: a masked load and a masked store move any lanes of a block to any others. Stores
// touch their own lanes alone, so neighbouring pieces of a block may be written by different threads.
#pragma once

#include "ops/concat/leaf.hpp"

namespace fk::FK_ISA {
namespace {

void whole(const ConcatLeaf& a) {
    for (int64_t p = 0; p < a.pixels; ++p) {
        store(a.y + p * VL, load(a.x + p * VL));
    }
}

void part(const ConcatLeaf& a) {
    const int lanes = a.lanes;
    for (int64_t p = 0; p < a.pixels; ++p) {
        store_n(a.y + p * VL, load_n(a.x + p * VL, lanes), lanes);
    }
}

} // namespace

void concat_pieces(const ConcatLeaf& a);
void concat_pieces(const ConcatLeaf& a) {
    if (a.lanes == VL) {
        whole(a);
    } else {
        part(a);
    }
}

} // namespace fk::FK_ISA
