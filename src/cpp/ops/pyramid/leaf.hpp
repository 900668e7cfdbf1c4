// What a kernel that halves a picture is given: one row of the result. Plain data.
#pragma once

#include <stdint.h>

namespace fk {

enum { pyramid_room = 64 }; // elements that a kernel may touch behind the last output, and behind the line

struct HalveLeaf {
    const void* rows[5]; // five source rows, the borders reflected already; each points at column `first`
    int is_float;        // float32 else uint8
    int first, last;     // source columns at hand: those of [2 x0 - 2, 2 x1 + 1) that lie in the picture
    int width;           // of the whole source
    int x0, x1;          // outputs
    void* y;             // output x0; room for pyramid_room elements behind the last
    void* line;          // 2 (x1 - x0) + 3 columns of uint16 or float32, and pyramid_room more
};

using HalveKernel = void (*)(const HalveLeaf&);

// A position outside [0, n) mirrored back at the outermost pixel's centre: -1 stands for 1, n for n - 2.
static inline int pyramid_reflect(int i, int n) {
    while (i < 0 || i >= n) {
        i = n == 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

} // namespace fk
